"""What a family is: a mapping between an official checkpoint format and a stock transformers class."""

from typing import Any, ClassVar, Protocol

from transformers import PreTrainedConfig


class Family(Protocol):
    """One official format. It holds no weights and no modelling code: configs and names only."""

    name: ClassVar[str]
    title: ClassVar[str]

    def claims(self, config: dict[str, Any], tensors: set[str]) -> bool:
        """Whether a folder with this config.json and these tensors is of this format. `model_type` alone is
        not enough: published checkpoints of different families share it."""
        ...

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        """The config of the stock class, causality off. Raises: ModelError for what it cannot express."""
        ...

    def official_config(self, config: PreTrainedConfig, mask_token_id: int) -> dict[str, Any]:
        """The way back. Raises: ModelError."""
        ...

    def to_stock(self, name: str) -> str:
        """The stock class's name of an official tensor. A name it does not know comes back unchanged, so that
        loading reports it."""
        ...

    def to_official(self, name: str) -> str:
        """The way back."""
        ...

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        """Fields of DiffusionConfig that the format implies (objective, shift, block size)."""
        ...
