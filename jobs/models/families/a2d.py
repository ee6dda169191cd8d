"""Any causal language model turned into a dLLM: stock tensors. Read: ZHZisZZ/dllm's own A2D folders, whose
model_type is a2d-<base> (dllm/pipelines/a2d). Our own folders need no family to be read."""

from typing import Any, ClassVar

from transformers import CONFIG_MAPPING, PreTrainedConfig

from jobs.models.families.base import (
    Family,
    full_attention,
    needs,
    official_from_same_keys,
    stock_from_same_keys,
)
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

PREFIX = "a2d-"
BASES = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}  # the bases that dllm's format knows


class A2D(Family):
    """dllm's AR-to-diffusion checkpoints: the base model's tensors under another model_type."""

    name = "a2d"
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["A2DQwen3LMHeadModel"], "model_type": "a2d-qwen3", "hidden_size": 32},
        **{"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16},
        **{"intermediate_size": 48, "max_position_embeddings": 64, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        base = str(config.get("model_type")).removeprefix(PREFIX)
        if base not in BASES:
            raise ModelError(f"model_type a2d-{base} is not known; known: {', '.join(BASES)}.")
        return stock_from_same_keys(CONFIG_MAPPING[base], config)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, *BASES)
        full_attention(config, self.title)
        return official_from_same_keys(
            config,
            architectures=[f"A2D{BASES[config.model_type]}LMHeadModel"],
            model_type=PREFIX + config.model_type,
            mask_token_id=diffusion.mask_token_id,
        )

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "mdlm"}
