"""The training objectives and their options. OBJECTIVES is the list of names."""

from typing import Annotated, Literal

from pydantic import Field

from jobs.specs.base import Spec


class LLaDAObjective(Spec):
    """LLaDA's loss: each token masked with probability p, cross-entropy at masked tokens over p, divided by
    all tokens (text) or by each answer's length (messages). Source: ML-GSAI/LLaDA GUIDELINES.md."""

    name: Literal["llada"] = "llada"
    time_epsilon: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest masking probability."""
    random_length_ratio: float = Field(default=0.0, ge=0, le=1)
    """Share of batches cut to a random length (LLaDA pre-trains with 0.01)."""


class MDLMObjective(Spec):
    """MDLM's bound: masking probability 1 - alpha(t), weight -alpha'(t) / (1 - alpha(t)).
    Source: kuleshov-group/mdlm and ZHZisZZ/dllm core/trainers/mdlm.py."""

    name: Literal["mdlm"] = "mdlm"
    schedule: Literal["linear", "cosine"] = "linear"
    """Noise schedule alpha(t): linear 1 - t; cosine 1 - cos(pi/2 (1 - t))."""
    time_epsilon: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest time drawn."""
    loss_weight_type: Literal["scheduler", "uniform"] = "scheduler"
    """scheduler: the bound's own weight; uniform: every masked token counts the same."""
    loss_norm_type: Literal["token", "sequence", "batch"] = "token"
    """What the sum is divided by: maskable tokens, maskable tokens of the row, or rows."""
    antithetic: bool = True
    """Spread the times of a batch evenly: less noise in the loss."""


ObjectiveSpec = Annotated[LLaDAObjective | MDLMObjective, Field(discriminator="name")]

OBJECTIVES: dict[str, type[Spec]] = {"llada": LLaDAObjective, "mdlm": MDLMObjective}
