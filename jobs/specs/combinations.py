"""Settings of a training that do not go together, though each is right on its own."""

from jobs.specs.launcher import LauncherSpec
from jobs.specs.optimisation import OPTIMIZERS, OptimisationSpec
from jobs.specs.tuning import TuningSpec

WHOLE_MATRICES = ("galore", "apollo", "adam_mini")
"""Optimizers that know a weight by its shape or name, which LoRA's small matrices have not got."""


def unfit(optimisation: OptimisationSpec, tuning: TuningSpec, launcher: LauncherSpec) -> dict[str, bool]:
    """Each sentence about settings that do not go together, and whether it is so here."""
    name = optimisation.optimizer
    title, lora = OPTIMIZERS[name].title, tuning.method == "lora"
    return {
        f"{title} looks at whole weights, which DeepSpeed flattens and splits; set launcher.name to "
        "torchrun, or optimisation.optimizer to adamw": (
            launcher.name == "deepspeed" and not OPTIMIZERS[name].each_alone
        ),
        f"{title} cannot read weights that FSDP has split; set launcher.name to torchrun, or "
        "optimisation.optimizer to adamw": launcher.name == "fsdp" and name != "adamw",
        "ema_decay needs whole weights on every process, but this launcher splits them; set it to 0, or use "
        "torchrun or deepspeed with zero_stage 2": launcher.splits_weights and optimisation.ema_decay > 0,
        "4-bit weights cannot be split over processes; use torchrun or deepspeed with zero_stage 2": (
            launcher.splits_weights and lora and tuning.quantize != "none"
        ),
        f"{title} is for whole weights, not for LoRA's small matrices; set optimisation.optimizer to adamw "
        "or tuning.method to full": lora and name in WHOLE_MATRICES,
    }
