"""Any causal language model turned into a dLLM: stock tensors. Read: ZHZisZZ/dllm's own A2D folders, whose
model_type is a2d-<base> (dllm/pipelines/a2d). Our own folders need no family to be read."""

from typing import Any, ClassVar

from transformers import CONFIG_MAPPING, PreTrainedConfig

from jobs.models.bidirectional import switch_off_causality
from jobs.protocol.errors import ModelError

PREFIX = "a2d-"
BASES = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}  # the bases that dllm's format knows


class A2D:
    """dllm's AR-to-diffusion checkpoints: the base model's tensors under another model_type."""

    name: ClassVar[str] = "a2d"
    title: ClassVar[str] = "AR to diffusion"

    def claims(self, config: dict[str, Any], tensors: set[str]) -> bool:
        architectures = config.get("architectures") or [""]
        return architectures[0].startswith("A2D") and str(config.get("model_type")).startswith(PREFIX)

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        base = str(config["model_type"]).removeprefix(PREFIX)
        if base not in BASES:
            raise ModelError(f"model_type a2d-{base} is not known; known: {', '.join(BASES)}.")
        keys = {k: v for k, v in config.items() if k not in ("model_type", "architectures", "auto_map")}
        stock = CONFIG_MAPPING[base](**keys)
        switch_off_causality(stock)
        return stock

    def official_config(self, config: PreTrainedConfig, mask_token_id: int) -> dict[str, Any]:
        if config.model_type not in BASES:
            raise ModelError(
                f"dllm's A2D format has no {config.model_type} models; it has {', '.join(BASES)}."
            )
        data = config.to_dict()
        data["architectures"] = [f"A2D{BASES[config.model_type]}LMHeadModel"]
        data["model_type"] = PREFIX + config.model_type
        data["mask_token_id"] = mask_token_id
        return data

    def to_stock(self, name: str) -> str:
        return name

    def to_official(self, name: str) -> str:
        return name

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "mdlm"}
