"""Efficient-DLM (nvidia/Efficient-DLM-4B, -8B): Qwen3 as `encoder` with a `diffusion_head`, blocks of 32.

Class name, sizes, block and mask token are those of the published config.json. Unverified: the tensor names
are those by which public inference engines read DiffEncoderModel, NVIDIA's research model before it (whose
folders are read too); the index of Efficient-DLM's own weights was not at hand.
"""

from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen3Config

from jobs.models.families.base import (
    Family,
    full_attention,
    needs,
    official_from_same_keys,
    stock_from_same_keys,
)
from jobs.specs.diffusion_config import DiffusionConfig

BLOCK = 32
NOT_OF_THE_MODEL = ("block_size", "attn_implementation")


class EfficientDLM(Family):
    """Onto Qwen3."""

    name = "efficient_dlm"
    mask_token_id = 151662
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["EfficientDLM"], "model_type": "qwen3", "hidden_size": 32, "head_dim": 16},
        **{"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
        **{"intermediate_size": 48, "max_position_embeddings": 64, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        keys = {key: value for key, value in config.items() if key not in NOT_OF_THE_MODEL}
        return stock_from_same_keys(Qwen3Config, keys)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "qwen3")
        full_attention(config, self.title)
        return official_from_same_keys(
            config,
            architectures=["EfficientDLM"],
            auto_map={
                "AutoConfig": "configuration_edlm.EfficientDLMConfig",
                "AutoModel": "modeling_edlm.EfficientDLM",
            },
            dlm_arch="encoder",
            dlm_paradigm="bidirectional",
            mask_token_id=diffusion.mask_token_id,
            block_size=diffusion.block_size or BLOCK,
        )

    def official_name(self, atom: str) -> str:
        if atom == "lm_head.weight":
            return "diffusion_head.weight"
        return atom.replace("model.", "encoder.", 1)

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "bd3lm", "block_size": config.get("block_size") or BLOCK}
