"""Dream and DreamCoder (Dream-org/Dream-v0-*, Dream-Coder-v0-*): Qwen2 under another class name.

The tensors have Qwen2's names. The logits are shifted: the output at position i - 1 predicts token i.
Verified against the published modelling code (tests/golden, dream_logits). Dream's own tokenizer class is
Qwen2's byte-level BPE on vocab.json and merges.txt.
"""

from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen2Config

from jobs.models.families.base import (
    Family,
    full_attention,
    needs,
    official_from_same_keys,
    required,
    stock_from_same_keys,
)
from jobs.specs.diffusion_config import DiffusionConfig


class Dream(Family):
    """Onto Qwen2, shifted."""

    name = "dream"
    mask_token_id = 151666
    tokenizer_class = "Qwen2Tokenizer"
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["DreamModel"], "model_type": "Dream", "hidden_size": 32, "num_hidden_layers": 2},
        **{"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 48},
        **{"max_position_embeddings": 64, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        required(config, {"use_mrope": False}, self.title)
        return stock_from_same_keys(Qwen2Config, config)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "qwen2")
        full_attention(config, self.title)
        data = official_from_same_keys(
            config,
            architectures=["DreamModel"],
            auto_map={
                "AutoConfig": "configuration_dream.DreamConfig",
                "AutoModel": "modeling_dream.DreamModel",
            },
            model_type="Dream",
            mask_token_id=diffusion.mask_token_id,
            use_mrope=False,
        )
        data.pop("layer_types", None)
        return data

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "dream", "shifted_logits": True}
