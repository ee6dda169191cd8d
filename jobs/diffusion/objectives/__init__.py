"""The training objectives. OBJECTIVES names each one; its options are in jobs.specs.objective.

To add one: a file of this fixed shape (see base.Objective), its options in jobs/specs/objective.py, and its
name in both dicts.
"""

from jobs.diffusion.objectives.ar import AR
from jobs.diffusion.objectives.base import Batch, LossResult, Noised, Objective, View, training_loss
from jobs.diffusion.objectives.bd3lm import BD3LM
from jobs.diffusion.objectives.ddm import DDM, DDMSFT
from jobs.diffusion.objectives.dfactory import DFactory
from jobs.diffusion.objectives.dream import Dream
from jobs.diffusion.objectives.llada import LLaDA
from jobs.diffusion.objectives.mdlm import MDLM
from jobs.diffusion.objectives.sedd import SEDD
from jobs.specs.base import Spec
from jobs.specs.objective import complete

OBJECTIVES: dict[str, type[Objective]] = {
    "llada": LLaDA,
    "mdlm": MDLM,
    "dream": Dream,
    "ddm": DDM,
    "ddm-sft": DDMSFT,
    "bd3lm": BD3LM,
    "dfactory": DFactory,
    "sedd": SEDD,
    "ar-sft": AR,
}


def build_objective(options: Spec) -> Objective:
    """The objective that belongs to these options (an entry of jobs.specs.objective.OBJECTIVES)."""
    return OBJECTIVES[options.name](complete(options))


__all__ = [
    "OBJECTIVES",
    "Batch",
    "LossResult",
    "Noised",
    "Objective",
    "View",
    "build_objective",
    "training_loss",
]
