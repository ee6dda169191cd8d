"""Steps, batches and the optimizer. OPTIMIZERS says of each one what it needs."""

from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from jobs.specs.base import Spec

OptimizerName = Literal[
    "adamw",
    "adamw_8bit",
    "paged_adamw_8bit",
    "lion",
    "adafactor",
    "muon",
    "galore",
    "apollo",
    "adam_mini",
    "schedule_free",
]


class OptimizerInfo(NamedTuple):
    """What is known of an optimizer before it is made."""

    title: str
    package: str | None
    """What to install with pip beside the studio; None: nothing."""
    module: str | None
    """The package's name in Python."""
    each_alone: bool
    """Whether it treats each number alone; only then weights may be flattened and split over processes."""


OPTIMIZERS: dict[str, OptimizerInfo] = {
    "adamw": OptimizerInfo("AdamW", None, None, True),
    "adamw_8bit": OptimizerInfo("8-bit AdamW", "bitsandbytes", "bitsandbytes", True),
    "paged_adamw_8bit": OptimizerInfo("Paged 8-bit AdamW", "bitsandbytes", "bitsandbytes", True),
    "lion": OptimizerInfo("Lion", "bitsandbytes", "bitsandbytes", True),
    "adafactor": OptimizerInfo("Adafactor", None, None, False),
    "muon": OptimizerInfo("Muon", None, None, False),
    "galore": OptimizerInfo("GaLore", "galore-torch", "galore_torch", False),
    "apollo": OptimizerInfo("APOLLO", "apollo-torch", "apollo_torch", False),
    "adam_mini": OptimizerInfo("Adam-mini", "adam-mini", "adam_mini", False),
    "schedule_free": OptimizerInfo("Schedule-free AdamW", "schedulefree", "schedulefree", False),
}


class OptimisationSpec(Spec):
    """Steps, batches and the optimizer."""

    steps: int = Field(default=1000, ge=1)
    """Optimizer steps."""
    batch_size: int = Field(default=8, ge=1)
    """Sequences a process takes at once."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Batches added up before a step."""
    learning_rate: float = Field(default=1e-4, gt=0, le=1)
    """Peak learning rate."""
    lr_schedule: Literal["cosine", "linear", "constant", "rising"] = "cosine"
    """How the learning rate falls. rising: it grows from a millionth to the whole until the loss blows up, to
    find a good one; no model is saved (`studio lr-find`)."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps in which it rises from zero."""
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    """How much weights are pulled towards zero: AdamW's weight decay, and that of the others."""
    beta2: float = Field(default=0.999, gt=0, lt=1)
    """AdamW's second beta, and that of the optimizers that have one."""
    max_grad_norm: float = Field(default=1.0, ge=0)
    """Gradients longer than this are shortened; 0 is off."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 is faster where the hardware has it."""
    gradient_checkpointing: bool = False
    """Less memory for about a third more time."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Same seed, same run."""
    optimizer: OptimizerName = "adamw"
    """adamw suits everything. 8-bit, lion, adafactor, galore, apollo and adam_mini need less memory; muon and
    schedule_free want rates of their own. Some need a package, which the studio names."""
    optimizer_rank: int = Field(default=128, ge=1, le=4096)
    """GaLore, APOLLO: rank that gradients are projected to; fewer need less memory."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Train as ever, but validate and save a running average of the weights (MDLM: 0.9999); 0 is off."""
    neftune_alpha: float = Field(default=0.0, ge=0, le=100)
    """Noise on the embeddings while training (NEFTune; 5 is usual); 0 is off."""
    offload_activations: bool = False
    """With gradient_checkpointing: keep what is saved in main memory; for very long texts, slower."""
    compile: bool = False
    """Compile the layers (torch.compile): the first steps wait, the others are faster, above all on a GPU."""
    liger_kernels: bool = False
    """Faster norms, rotary positions and feed-forward layers on a GPU (liger-kernel)."""

    @model_validator(mode="after")
    def _fits(self) -> "OptimisationSpec":
        if self.offload_activations and not self.gradient_checkpointing:
            raise ValueError("offload_activations needs gradient_checkpointing; turn it on too")
        if self.optimizer == "schedule_free" and self.lr_schedule != "constant":
            raise ValueError("schedule_free takes the place of a schedule; set lr_schedule to constant")
        if self.optimizer == "schedule_free" and self.ema_decay:
            raise ValueError("schedule_free averages weights already; set ema_decay to 0")
        return self
