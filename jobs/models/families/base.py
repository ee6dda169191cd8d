"""What a family is: a mapping between an official checkpoint format and a stock transformers class."""

import re
from collections.abc import Collection
from typing import Any, ClassVar, Literal

from transformers import PreTrainedConfig

from jobs.models.bidirectional import has_windows, switch_off_causality
from jobs.models.layout import EXPERT_LAYOUTS, Place, Shape, expert_layout, expert_place
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.families import FAMILIES as TABLE

OFFICIAL_KEYS = (
    "model_type",
    "architectures",
    "auto_map",
    "transformers_version",
    "is_causal",
    "torch_dtype",
)


class Family:
    """One official format. It holds no weights and no modelling code: configs and names only.

    This class is the format that differs from the stock one in nothing; a family overrides what does.
    """

    name: ClassVar[str]
    layouts: ClassVar[tuple[str, ...]] = ("official",)
    """Ways in which the format's tensors are written; the first is how we write it unless asked."""
    tokenizer_class: ClassVar[str | None] = None
    """transformers' tokenizer class where the folder names one of its own code."""
    ignored: ClassVar[re.Pattern[str] | None] = None
    """Tensors of published folders that the stock class has not and does not need."""
    mask_token_id: ClassVar[int | None] = None
    """The published mask token, for folders whose config and tokenizer name none."""
    debug: ClassVar[dict[str, Any]] = {}
    """An official config.json of a size that trains and samples on a CPU in seconds."""
    lora_targets: ClassVar[tuple[str, ...]] = tuple(
        f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")
    )
    """The stock modules that LoRA trains for this family; routers are never among them."""
    special_tokens: ClassVar[tuple[str, ...]] = ()
    """Tokens beside the usual ones that the model cannot do without."""
    parts: ClassVar[dict[str, re.Pattern[str]]] = {}
    """Parts that a training may leave as they are, and the names of their parameters."""
    frozen: ClassVar[tuple[str, ...]] = ()
    """The parts that stay as they are unless a training says otherwise."""
    debug_images: ClassVar[dict[str, Any]] = {}
    """preprocessor_config.json of the debug size, for models that see pictures."""

    windows: ClassVar[Literal["keep", "full"]] = "full"
    """What its own code does where config.json gives layers a window: full (it attends to the whole text all
    the same, for its masks hide padding only) or keep (the window on both sides)."""

    @property
    def title(self) -> str:
        return TABLE[self.name].title

    def claims(self, config: dict[str, Any], tensors: Collection[str]) -> bool:
        """Whether a folder with this config.json and these tensors is of this format."""
        return TABLE[self.name].claims(config, tensors)

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        """The config of the stock class, causality off. Raises: ModelError for what it cannot express."""
        raise NotImplementedError

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        """The way back. Raises: ModelError where the format cannot hold the model."""
        raise NotImplementedError

    def official_name(self, atom: str) -> str:
        """The format's name for a tensor of the stock model."""
        return atom

    def place(self, atom: str, shape: Shape, config: PreTrainedConfig, layout: str) -> Place:
        """The tensor of the format that holds an atom (see jobs.models.layout), and where in it."""
        return Place(self.official_name(atom))

    def layout_of(self, tensors: Collection[str]) -> str:
        """Which of `layouts` a folder with these tensors is in."""
        return self.layouts[0]

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        """Fields of DiffusionConfig that the format implies (objective, shift, block size, sampler)."""
        return {}

    def debug_config(self, vocabulary: dict[str, int], **special: int | None) -> dict[str, Any]:
        """`debug` for a tokenizer: its vocabulary, and its `mask_token_id`, `bos_token_id` and so on."""
        return {**self.debug, "vocab_size": len(vocabulary), **special}


class ExpertFamily(Family):
    """A family with experts, in the three layouts of jobs.models.layout."""

    layouts = EXPERT_LAYOUTS
    lora_targets = ("q_proj", "k_proj", "v_proj", "o_proj")

    def place(self, atom: str, shape: Shape, config: PreTrainedConfig, layout: str) -> Place:
        return expert_place(Place(self.official_name(atom)), shape, layout)

    def layout_of(self, tensors: Collection[str]) -> str:
        return expert_layout(tensors)


def stock_from_same_keys(cls: type[PreTrainedConfig], config: dict[str, Any]) -> PreTrainedConfig:
    """A stock config from an official one with the same keys, causality off. Raises: ModelError."""
    keys = {key: value for key, value in config.items() if key not in OFFICIAL_KEYS}
    try:
        stock = cls(**keys)
    except Exception as error:  # noqa: BLE001 - validation errors of transformers share no better base
        raise ModelError(f"config.json cannot be used: {str(error).strip().splitlines()[-1]}") from None
    switch_off_causality(stock)
    return stock


def official_from_same_keys(config: PreTrainedConfig, **official: Any) -> dict[str, Any]:
    """An official config with the keys of the stock one. RoPE is written as the older code reads it."""
    data = config.to_dict()
    for key in ("is_causal", "rope_parameters", "auto_map", "_name_or_path"):
        data.pop(key, None)
    return {**data, **rope_keys(config), **official}


def rope_keys(config: PreTrainedConfig) -> dict[str, Any]:
    """rope_theta and rope_scaling, for code older than transformers 5."""
    rope: dict[str, Any] = dict(getattr(config, "rope_parameters", None) or {})
    if not rope:
        return {}
    theta = rope.pop("rope_theta")
    partial = rope.pop("partial_rotary_factor", None)
    scaling = rope if rope.get("rope_type", "default") != "default" else None
    keys = {"rope_theta": theta, "rope_scaling": scaling}
    return keys if partial is None else {**keys, "partial_rotary_factor": partial}


def needs(config: PreTrainedConfig, family: Family, *model_types: str) -> None:
    """Raises: ModelError if the stock model is of none of these types, which the format holds."""
    if config.model_type not in model_types:
        raise ModelError(
            f"{family.title}'s format holds {' and '.join(model_types)} models, not {config.model_type}."
        )


def full_attention(config: PreTrainedConfig, title: str) -> None:
    """Raises: ModelError if a stock config has window layers where the family's own code has none."""
    if has_windows(config):
        raise ModelError(
            f"{title}'s own code attends to the whole text, so its format cannot hold a model with windows; "
            "convert the source anew with sliding_window: full."
        )


def required(config: dict[str, Any], wanted: dict[str, Any], title: str) -> None:
    """Raises: ModelError where a config asks for a variant that the stock class cannot express. Absent or
    null keys have the wanted value."""
    for key, value in wanted.items():
        if config.get(key) not in (None, value):
            raise ModelError(f"this {title} has {key} = {config[key]!r}; only {value!r} can be read.")
