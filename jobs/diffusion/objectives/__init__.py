"""The training objectives. OBJECTIVES names each one; its options are in jobs.specs.objective.

To add one: a file of this fixed shape (see base.Objective), its options in jobs/specs/objective.py, and its
name in both dicts.
"""

from jobs.diffusion.objectives.base import LossResult, Noised, Objective, training_loss
from jobs.diffusion.objectives.llada import LLaDA
from jobs.diffusion.objectives.mdlm import MDLM
from jobs.specs.base import Spec

OBJECTIVES: dict[str, type] = {"llada": LLaDA, "mdlm": MDLM}


def build_objective(options: Spec) -> Objective:
    """The objective that belongs to these options (an entry of jobs.specs.objective.OBJECTIVES)."""
    return OBJECTIVES[options.name](options)


__all__ = ["OBJECTIVES", "LossResult", "Noised", "Objective", "build_objective", "training_loss"]
