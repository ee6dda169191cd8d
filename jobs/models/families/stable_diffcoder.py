"""Stable-DiffCoder (ByteDance-Seed/Stable-DiffCoder-8B-*): a subclass of the stock Llama, blocks of 4.

Derived from the published modeling_stable_diffcoder.py, which adds only a generate() with a block-causal mask
(mask token 5). No recorded outputs of the official code exist here.
"""

from typing import Any, ClassVar

from transformers import LlamaConfig, PreTrainedConfig

from jobs.models.families.base import Family, needs, official_from_same_keys, stock_from_same_keys
from jobs.specs.diffusion_config import DiffusionConfig

BLOCK = 4
CODE = "modeling_stable_diffcoder.StableDiffcoderForCausalLM"


class StableDiffCoder(Family):
    """Onto Llama."""

    name = "stable_diffcoder"
    mask_token_id = 5
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["StableDiffcoderForCausalLM"], "model_type": "llama", "hidden_size": 32},
        **{"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
        **{"intermediate_size": 48, "max_position_embeddings": 64, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        return stock_from_same_keys(LlamaConfig, config)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "llama")
        return official_from_same_keys(
            config,
            architectures=["StableDiffcoderForCausalLM"],
            auto_map={"AutoModelForCausalLM": CODE},
            mask_token_id=diffusion.mask_token_id,
        )

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "bd3lm", "block_size": config.get("block_size") or BLOCK}
