"""LLaDA2.0 and 2.1, mini and flash (inclusionAI/LLaDA2.*): GLM-4.5-MoE with joined q, k, v and other names.

Block diffusion with blocks of 32. Sigmoid router with a bias that only selects, groups of experts, shared
experts; rotary on a part of each head. Verified against the published code (tests/golden, llada2_moe_logits,
and the three expert layouts by dfactory_moe_convertor).
"""

from typing import Any, ClassVar

from transformers import Glm4MoeConfig, PreTrainedConfig

from jobs.models.bidirectional import switch_off_causality
from jobs.models.families.base import ExpertFamily, needs, required
from jobs.models.layout import Place, Shape
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

REQUIRED = {
    "score_function": "sigmoid",
    "moe_router_enable_expert_bias": True,
    "use_qkv_bias": False,
    "use_bias": False,
    "use_rmsnorm": True,
    "norm_head": False,
    "norm_softmax": False,
    "rope_scaling": None,
    "use_sliding_window": False,
    "using_split_qkv_in_self_attention": False,
    "embedding_dropout": 0.0,
    "output_dropout": 0.0,
}
SAME = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings", "initializer_range"),
    *("rms_norm_eps", "tie_word_embeddings", "moe_intermediate_size", "num_experts_per_tok"),
    *("routed_scaling_factor", "n_group", "topk_group", "first_k_dense_replace", "norm_topk_prob"),
    *("attention_dropout", "output_router_logits", "bos_token_id", "eos_token_id", "pad_token_id"),
)
WORDS = {
    "model.embed_tokens.": "model.word_embeddings.",
    ".self_attn.o_proj.": ".attention.dense.",
    ".self_attn.q_norm.": ".attention.query_layernorm.",
    ".self_attn.k_norm.": ".attention.key_layernorm.",
    ".mlp.gate.e_score_correction_bias": ".mlp.gate.expert_bias",
}
BLOCK = 32


class LLaDA2(ExpertFamily):
    """Onto Glm4Moe."""

    name = "llada2"
    mask_token_id = 156895
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["LLaDA2MoeModelLM"], "model_type": "llada2_moe", "hidden_size": 32},
        **{"intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 16},
        **{"num_key_value_heads": 1, "moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2},
        **{"num_shared_experts": 1, "n_group": 2, "topk_group": 1, "first_k_dense_replace": 1},
        **{"norm_topk_prob": True, "routed_scaling_factor": 2.5, "partial_rotary_factor": 0.5},
        **{"rope_theta": 600000, "max_position_embeddings": 64, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        required(config, REQUIRED, self.title)
        try:
            stock = Glm4MoeConfig(
                **{key: config[key] for key in SAME if config.get(key) is not None},
                n_routed_experts=config["num_experts"],
                n_shared_experts=config["num_shared_experts"],
                use_qk_norm=True,
                num_mtp_layers=0,
                rope_parameters={
                    "rope_type": "default",
                    "rope_theta": float(config["rope_theta"]),
                    "partial_rotary_factor": config["partial_rotary_factor"],
                },
            )
        except KeyError as error:
            raise ModelError(f"config.json lacks the LLaDA2 key {error}. Copy the model again.") from None
        switch_off_causality(stock)
        return stock

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "glm4_moe")
        rope: Any = config.rope_parameters
        if not config.use_qk_norm or config.attention_bias or rope["rope_type"] != "default":
            raise ModelError("LLaDA2's format has norms on q and k, no biases and no rotary scaling.")
        return {
            **REQUIRED,
            **{key: getattr(config, key, None) for key in SAME},
            "architectures": ["LLaDA2MoeModelLM"],
            "auto_map": {
                "AutoConfig": "configuration_llada2_moe.LLaDA2MoeConfig",
                "AutoModel": "modeling_llada2_moe.LLaDA2MoeModel",
                "AutoModelForCausalLM": "modeling_llada2_moe.LLaDA2MoeModelLM",
            },
            "model_type": "llada2_moe",
            "mask_token_id": diffusion.mask_token_id,
            "num_experts": config.n_routed_experts,
            "num_shared_experts": config.n_shared_experts,
            "rope_theta": rope["rope_theta"],
            "partial_rotary_factor": rope["partial_rotary_factor"],
            "rotary_dim": int(config.head_dim * rope["partial_rotary_factor"]),
            "router_dtype": "fp32",
            "use_cache": False,
        }

    def official_name(self, atom: str) -> str:
        for ours, theirs in WORDS.items():
            if ours in atom:
                return atom.replace(ours, theirs, 1)
        return atom

    def place(self, atom: str, shape: Shape, config: PreTrainedConfig, layout: str) -> Place:
        query = config.num_attention_heads * config.head_dim
        key = config.num_key_value_heads * config.head_dim
        rows = {
            "q": slice(0, query),
            "k": slice(query, query + key),
            "v": slice(query + key, query + 2 * key),
        }
        for letter, part in rows.items():
            if atom.endswith(f".self_attn.{letter}_proj.weight"):
                joined = f".self_attn.{letter}_proj."
                return Place(atom.replace(joined, ".attention.query_key_value."), (part,))
        return super().place(atom, shape, config, layout)

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "dfactory", "block_size": config.get("block_size") or BLOCK}
