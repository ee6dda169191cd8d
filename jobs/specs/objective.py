"""The training objectives and their options. OBJECTIVES is the list of names.

The defaults are those of the project that an objective comes from. Where two projects differ, the options say
so by name.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from jobs.protocol.errors import SpecError
from jobs.specs.base import Spec

BLOCK = 32  # tokens in a block where neither spec nor checkpoint says so


class Masking(Spec):
    """What every objective can do besides its own."""

    random_length_ratio: float = Field(default=0.0, ge=0, le=1)
    """Plain text: share of batches cut to a random length (LLaDA pre-trains with 0.01)."""
    cut_answers: bool = False
    """Conversations: cut the answers of each batch to the length of one of them, drawn anew (Dream in dLLM:
    perbatch_cutoff), so that fewer of the trained tokens are end-of-text."""
    confidence_beta: float = Field(default=0.0, ge=0)
    """Trainable parallel decoding: so much times the entropy of masked tokens that are already predicted
    right (dFactory recommends 2.0; 0 is off)."""


class LLaDAObjective(Masking):
    """LLaDA's loss: each token masked with probability p, cross-entropy at masked tokens over p, divided by
    all tokens (text) or by each answer's length (messages). Source: ML-GSAI/LLaDA GUIDELINES.md."""

    name: Literal["llada"] = "llada"
    time_epsilon: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest masking probability."""
    antithetic: bool = False
    """Spread the times of a step's rows evenly: less noise in the loss."""


class BoundOptions(Masking):
    """The options of dLLM's trainers: MDLM's, and those built on it."""

    schedule: Literal["linear", "cosine", "square_root"] = "linear"
    """Noise schedule alpha(t): linear 1 - t; cosine 1 - cos(pi/2 (1 - t)); square_root 1 - sqrt(t)."""
    loss_norm_type: Literal["token", "sequence", "batch", "masked"] = "token"
    """What the sum is divided by: maskable tokens, maskable tokens of the row, rows, or masked tokens."""


class MDLMObjective(BoundOptions):
    """MDLM's bound: masking probability 1 - alpha(t), weight -alpha'(t) / (1 - alpha(t)).
    Source: kuleshov-group/mdlm and ZHZisZZ/dllm core/trainers/mdlm.py."""

    name: Literal["mdlm"] = "mdlm"
    time_epsilon: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest time drawn."""
    loss_weight_type: Literal["scheduler", "uniform"] = "scheduler"
    """scheduler: the bound's own weight; uniform: every masked token counts the same."""
    antithetic: bool = True
    """Spread the times of a step's rows evenly: less noise in the loss."""


class DreamObjective(BoundOptions):
    """Dream's loss: each masked token weighted by how many readable tokens are near it (CART).
    Source: ZHZisZZ/dllm pipelines/dream/trainer.py."""

    name: Literal["dream"] = "dream"
    time_epsilon: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest time drawn."""
    loss_weight_type: Literal["cart", "scheduler", "uniform"] = "cart"
    """cart: by the readable tokens around; scheduler: the bound's own weight; uniform: all alike."""
    geo_p: float = Field(default=0.3, gt=0, lt=1)
    """CART: how fast the influence of a readable token falls with its distance."""
    padding_is_context: bool = False
    """CART: count padding as readable context, as dLLM does; off: padding tells nothing."""
    antithetic: bool = False
    """Spread the times of a step's rows evenly: less noise in the loss."""


class DDMOptions(Masking):
    """DiffuGPT's and DiffuLLaMA's loss: cross-entropy over t, divided by the masked tokens of the batch.
    Source: HKUNLP/DiffuLLaMA, LLaMA-Factory train/ddm/trainer.py."""

    time_epsilon: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest time drawn."""
    loss_norm_type: Literal["masked", "token", "sequence", "batch"] = "masked"
    """What the sum is divided by: masked tokens, maskable tokens, maskable tokens of the row, or rows."""
    antithetic: bool = False
    """Spread the times of a step's rows evenly: less noise in the loss."""


class DDMObjective(DDMOptions):
    """Turn a causal model into a diffusion model on plain text (DiffuGPT, DiffuLLaMA): cross-entropy over t
    per masked token, while attention opens from causal to full. Source: HKUNLP/DiffuLLaMA."""

    name: Literal["ddm"] = "ddm"
    anneal_steps: int = Field(default=10000, ge=1)
    """Steps until every position sees every other; 1: at once."""


class DDMSFTObjective(DDMOptions):
    """The same loss for a model that is bidirectional already, on conversations. Source: HKUNLP/DiffuLLaMA,
    stage ddm-sft."""

    name: Literal["ddm-sft"] = "ddm-sft"
    anneal_steps: int = Field(default=1, ge=1)
    """Steps until every position sees every other; 1: at once."""


class NoiseRange(Spec):
    """Times from a part of the noise levels only."""

    noise_range_low: float
    noise_range_high: float

    @model_validator(mode="after")
    def _rising(self) -> "NoiseRange":
        if self.noise_range_low >= self.noise_range_high:
            raise ValueError("noise_range_low must be smaller than noise_range_high")
        return self


class BD3LMObjective(BoundOptions, NoiseRange):
    """Block diffusion: blocks from left to right, each noised on its own and read next to the clean blocks
    before it. Source: kuleshov-group/bd3lms and ZHZisZZ/dllm core/trainers/bd3lm.py."""

    name: Literal["bd3lm"] = "bd3lm"
    block_size: int | None = Field(default=None, ge=1)
    """Tokens in a block; the checkpoint keeps it. None: the checkpoint's own, or 32."""
    noise_per: Literal["block", "sequence"] = "block"
    """A time for each block (BD3-LM) or one for the whole sequence (dLLM)."""
    noise_range_low: float = Field(default=1e-3, gt=0, le=1)
    """Smallest time drawn: BD3-LM's clipped schedules. Above 0.5 every masked token counts the same."""
    noise_range_high: float = Field(default=1.0, gt=0, le=1)
    """Largest time drawn. Only 0.001 to 1 gives a bound on the likelihood."""
    fill: Literal["block", "length", "batch"] = "block"
    """How far short answers are filled with trained end-of-text tokens: to the end of their last block
    (dLLM), to data.max_length (dFactory), or to the longest row of the batch (LLaDA)."""
    resample: bool = False
    """Draw a block's masks again where their share falls out of the range of times."""
    loss_weight_type: Literal["scheduler", "uniform"] = "scheduler"
    """scheduler: the bound's own weight; uniform: every masked token counts the same."""
    antithetic: bool = True
    """Spread the times of a step's rows evenly: less noise in the loss."""


class DFactoryObjective(Masking, NoiseRange):
    """LLaDA2's fine-tuning: block diffusion, one noise level a sequence from the middle range, every masked
    token counting the same. Source: inclusionAI/dFactory tasks/train_llada2_bd.py."""

    name: Literal["dfactory"] = "dfactory"
    block_size: int | None = Field(default=None, ge=1)
    """Tokens in a block; the checkpoint keeps it. None: the checkpoint's own, or 32."""
    block_diffusion: bool = True
    """On: blocks next to the clean text. Off: full attention on the noised text."""
    noise_range_low: float = Field(default=0.3, gt=0, le=1)
    """Smallest share of masks drawn."""
    noise_range_high: float = Field(default=0.8, gt=0, le=1)
    """Largest share of masks drawn."""
    fill: Literal["length", "block", "batch"] = "length"
    """How far short answers are filled with trained end-of-text tokens: to data.max_length (dFactory), to the
    end of their last block (dLLM), or to the longest row of the batch (LLaDA)."""
    antithetic: bool = False
    """Spread the noise levels of a step's rows evenly: less noise in the loss."""


class SEDDObjective(Masking):
    """SEDD's score entropy: MDLM's bound, and the model's outputs kept normalised as scores.
    Source: louaaron/Score-Entropy-Discrete-Diffusion losses.py."""

    name: Literal["sedd"] = "sedd"
    time_epsilon: float = Field(default=1e-3, gt=0, lt=1)
    """Smallest time drawn."""
    loss_norm_type: Literal["batch", "token", "sequence", "masked"] = "batch"
    """What the sum is divided by: rows, maskable tokens, maskable tokens of the row, or masked tokens."""
    antithetic: bool = False
    """Spread the times of a step's rows evenly: less noise in the loss."""


class ARObjective(Spec):
    """The causal baseline: predict the next token of each answer, with the causal mask on. The result is a
    causal transformers folder, not a dLLM. Source: HKUNLP/DiffuLLaMA, LLaMA-Factory stage sft."""

    fill: ClassVar[str] = "ignore"  # one end-of-text token closes an answer, padding follows
    answers: ClassVar[str] = "all"  # LLaMA-Factory's stage sft, mask_history off
    cut_answers: ClassVar[bool] = False
    name: Literal["ar-sft"] = "ar-sft"
    loss_norm_type: Literal["token", "sequence", "batch"] = "token"
    """What the sum is divided by: trained tokens, trained tokens of the row, or rows."""


ObjectiveSpec = Annotated[
    LLaDAObjective
    | MDLMObjective
    | DreamObjective
    | DDMObjective
    | DDMSFTObjective
    | BD3LMObjective
    | DFactoryObjective
    | SEDDObjective
    | ARObjective,
    Field(discriminator="name"),
]

OBJECTIVES: dict[str, type[Spec]] = {
    "llada": LLaDAObjective,
    "mdlm": MDLMObjective,
    "dream": DreamObjective,
    "ddm": DDMObjective,
    "ddm-sft": DDMSFTObjective,
    "bd3lm": BD3LMObjective,
    "dfactory": DFactoryObjective,
    "sedd": SEDDObjective,
    "ar-sft": ARObjective,
}


def objective_for(
    chosen: Spec | None, trained_with: str, block_size: int | None, schedule: str = "linear"
) -> Spec:
    """The objective of a training: the chosen one, else the one that the checkpoint was trained with.

    A block size that was not chosen is the checkpoint's too.
    Raises: SpecError if the checkpoint's objective is none of ours.
    """
    if chosen is not None:
        return complete(chosen, block_size)
    if trained_with not in OBJECTIVES:
        raise SpecError(
            f"objective: the checkpoint was trained with {trained_with!r}, which there is none of here; "
            f"choose one of {', '.join(OBJECTIVES)}."
        )
    if trained_with == DDMObjective.model_fields["name"].default:
        return DDMObjective(anneal_steps=1)  # its attention is open already: starting over would undo that
    options = OBJECTIVES[trained_with]
    given = {"schedule": schedule} if "schedule" in options.model_fields else {}
    return complete(options.parse({"name": trained_with, **given}), block_size)


def complete(options: Spec, block_size: int | None = None) -> Spec:
    """The same options with a block size where they have none yet."""
    if isinstance(options, BD3LMObjective | DFactoryObjective) and options.block_size is None:
        return options.model_copy(update={"block_size": block_size or BLOCK})
    return options
