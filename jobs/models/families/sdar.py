"""SDAR (JetLM/SDAR-*): Qwen3 and Qwen3-MoE turned into block diffusion, blocks of 4, no shift.

Derived from the published source (JetAstra/SDAR, modeling_sdar.py and modeling_sdar_moe.py): Qwen3's models
under other class names, with its tensor names. No recorded outputs of the official code exist here.
"""

from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen3Config, Qwen3MoeConfig

from jobs.models.families.base import (
    ExpertFamily,
    full_attention,
    needs,
    official_from_same_keys,
    stock_from_same_keys,
)
from jobs.specs.diffusion_config import DiffusionConfig

BLOCK = 4
CLASSES = {"qwen3": ("sdar", "SDAR"), "qwen3_moe": ("sdar_moe", "SDARMoe")}
TRAINING = (
    *("debug", "ep_size", "fuse_cross_entropy", "micro_forward", "skip_checkpoint", "use_deepep"),
    *("attn_implementation", "block_size"),
)


class SDAR(ExpertFamily):
    """Onto Qwen3 or Qwen3-MoE."""

    name = "sdar"
    mask_token_id = 151669
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["SDARMoeForCausalLM"], "model_type": "sdar_moe", "hidden_size": 32},
        **{"head_dim": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
        **{"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "block_size": 4},
        **{"intermediate_size": 48, "max_position_embeddings": 64, "initializer_range": 0.2},
        **{"norm_topk_prob": True, "decoder_sparse_step": 1},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        moe = (config.get("architectures") or [""])[0].startswith("SDARMoe")
        keys = {key: value for key, value in config.items() if key not in TRAINING}
        return stock_from_same_keys(Qwen3MoeConfig if moe else Qwen3Config, keys)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, *CLASSES)
        full_attention(config, self.title)
        kind, word = CLASSES[config.model_type]
        data = official_from_same_keys(
            config,
            architectures=[f"{word}ForCausalLM"],
            auto_map={
                "AutoConfig": f"configuration_{kind}.{word}Config",
                "AutoModel": f"modeling_{kind}.{word}Model",
                "AutoModelForCausalLM": f"modeling_{kind}.{word}ForCausalLM",
            },
            model_type=kind,
            mask_token_id=diffusion.mask_token_id,
            block_size=diffusion.block_size or BLOCK,
        )
        data.pop("layer_types", None)
        return data

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "bd3lm", "block_size": config.get("block_size") or BLOCK}
