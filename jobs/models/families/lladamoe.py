"""LLaDA-MoE (inclusionAI/LLaDA-MoE-7B-A1B-*): Qwen3-MoE with other config keys; the tensors have its names.

The router is a softmax over all experts whose top-k weights are not normalised again. The Hub's model_type is
that of LLaDA-8B; the class name decides. Verified against dllm's copy of the published code (tests/golden,
lladamoe_logits).
"""

from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen3MoeConfig

from jobs.models.bidirectional import switch_off_causality
from jobs.models.families.base import ExpertFamily, full_attention, needs, required, rope_keys
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

REQUIRED = {
    "moe_router_enable_expert_bias": False,
    "moe_router_score_function": "softmax",
    "partial_rotary_factor": 1,
    "qk_layernorm": True,
    "routed_scaling_factor": 1,
    "router_num_group": None,
    "shared_expert_intermediate_size": None,
    "clip_qkv": None,
    "attention_bias": False,
}
SAME = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_experts"),
    *("num_experts_per_tok", "hidden_act", "max_position_embeddings", "initializer_range", "rms_norm_eps"),
    *("tie_word_embeddings", "attention_dropout", "router_aux_loss_coef", "output_router_logits"),
    *("bos_token_id", "eos_token_id", "pad_token_id"),
)


class LLaDAMoE(ExpertFamily):
    """Onto Qwen3-MoE."""

    name = "lladamoe"
    mask_token_id = 156895
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["LLaDAMoEModelLM"], "model_type": "llada", "hidden_size": 32},
        **{"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "num_experts": 4},
        **{"num_experts_per_tok": 2, "expert_intermediate_size": 16, "dense_intermediate_size": 48},
        **{"moe_layer_freq": [1, 1], "max_position_embeddings": 64, "initializer_range": 0.2},
        **{"rms_norm_eps": 1e-5, "rope_theta": 50000},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        required(config, REQUIRED, self.title)
        frequency = config.get("moe_layer_freq") or []
        try:
            stock = Qwen3MoeConfig(
                **{key: config[key] for key in SAME if config.get(key) is not None},
                head_dim=config["hidden_size"] // config["num_attention_heads"],
                num_key_value_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
                moe_intermediate_size=config["expert_intermediate_size"],
                intermediate_size=config["dense_intermediate_size"],
                norm_topk_prob=bool(config.get("norm_topk_prob")),
                decoder_sparse_step=1,
                mlp_only_layers=[layer for layer, sparse in enumerate(frequency) if not sparse],
                rope_parameters={"rope_type": "default", "rope_theta": float(config["rope_theta"])},
            )
        except KeyError as error:
            raise ModelError(f"config.json lacks the LLaDA-MoE key {error}. Copy the model again.") from None
        switch_off_causality(stock)
        return stock

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "qwen3_moe")
        full_attention(config, self.title)
        if config.head_dim * config.num_attention_heads != config.hidden_size or config.norm_topk_prob:
            raise ModelError("LLaDA-MoE's format has hidden_size = heads x head_dim and no norm_topk_prob.")
        dense = set(config.mlp_only_layers)
        return {
            **REQUIRED,
            **{key: getattr(config, key) for key in SAME},
            **rope_keys(config),
            "architectures": ["LLaDAMoEModelLM"],
            "auto_map": {
                "AutoConfig": "configuration_lladamoe.LLaDAMoEConfig",
                "AutoModel": "modeling_lladamoe.LLaDAMoEModelLM",
                "AutoModelForCausalLM": "modeling_lladamoe.LLaDAMoEModelLM",
            },
            "model_type": "lladamoe",
            "mask_token_id": diffusion.mask_token_id,
            "num_key_value_heads": config.num_key_value_heads,
            "expert_intermediate_size": config.moe_intermediate_size,
            "dense_intermediate_size": config.intermediate_size,
            "moe_layer_freq": [int(layer not in dense) for layer in range(config.num_hidden_layers)],
            "norm_topk_prob": None,
            "use_cache": False,
        }

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "llada"}
