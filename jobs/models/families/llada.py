"""LLaDA-8B's official format (GSAI-ML/LLaDA-8B-Base, -Instruct, LLaDA-1.5) is Llama with other names.

Tensors: model.transformer.{wte, ln_f, ff_out} and model.transformer.blocks.N.{q_proj, ...}; inside a block
ff_proj is the gate and ff_out the down projection, at the top ff_out is the vocabulary matrix. Verified
against the published modelling code (tests/golden, llada_logits).
"""

import re
from typing import Any, ClassVar

from transformers import LlamaConfig, PreTrainedConfig

from jobs.models.bidirectional import switch_off_causality
from jobs.models.families.base import Family, required
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

ROOT = "model.transformer."
TOP = {
    "model.embed_tokens.weight": "wte.weight",
    "model.norm.weight": "ln_f.weight",
    "lm_head.weight": "ff_out.weight",
}
IN_BLOCK = {
    "self_attn.q_proj": "q_proj",
    "self_attn.k_proj": "k_proj",
    "self_attn.v_proj": "v_proj",
    "self_attn.o_proj": "attn_out",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ff_norm",
    "mlp.gate_proj": "ff_proj",
    "mlp.up_proj": "up_proj",
    "mlp.down_proj": "ff_out",
}
LAYER = re.compile(r"^model\.layers\.(\d+)\.([\w.]+)\.weight$")

# The one variant that was published, and that Llama can express. Absent keys have these values.
REQUIRED = {
    "block_type": "llama",
    "layer_norm_type": "rms",
    "activation_type": "silu",
    "rope": True,
    "alibi": False,
    "include_bias": False,
    "include_qkv_bias": False,
    "bias_for_layer_norm": False,
    "attention_layer_norm": False,
    "input_emb_norm": False,
    "scale_logits": False,
    "block_group_size": 1,
}


class LLaDA(Family):
    """Onto Llama."""

    name = "llada"
    mask_token_id = 126336
    debug: ClassVar[dict[str, Any]] = {
        **{
            "architectures": ["LLaDAModelLM"],
            "model_type": "llada",
            "d_model": 32,
            "n_layers": 2,
            "n_heads": 2,
        },
        **{"mlp_hidden_size": 48, "max_sequence_length": 64, "init_std": 0.2, "weight_tying": False},
        "rope_theta": 10000.0,
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        required(config, REQUIRED, self.title)
        try:
            stock = LlamaConfig(
                vocab_size=config.get("embedding_size") or config["vocab_size"],
                hidden_size=config["d_model"],
                intermediate_size=config.get("mlp_hidden_size") or config["mlp_ratio"] * config["d_model"],
                num_hidden_layers=config["n_layers"],
                num_attention_heads=config["n_heads"],
                num_key_value_heads=self._kv_heads(config),
                max_position_embeddings=config["max_sequence_length"],
                rms_norm_eps=config.get("rms_norm_eps", 1e-5),
                rope_parameters={"rope_type": "default", "rope_theta": config.get("rope_theta", 10000.0)},
                tie_word_embeddings=bool(config.get("weight_tying", False)),
                initializer_range=config.get("init_std", 0.02),
                bos_token_id=config.get("bos_token_id"),
                eos_token_id=config.get("eos_token_id"),
                pad_token_id=config.get("pad_token_id"),
            )
        except KeyError as error:
            raise ModelError(f"config.json lacks the LLaDA key {error}. Copy the model again.") from None
        switch_off_causality(stock)
        return stock

    def _kv_heads(self, config: dict[str, Any]) -> int:
        if config.get("n_kv_heads"):
            return config["n_kv_heads"]
        return 1 if config.get("multi_query_attention") else config["n_heads"]

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        if not isinstance(config, LlamaConfig) or config.attention_bias or config.mlp_bias:
            raise ModelError(f"LLaDA's format holds Llama models without biases, not {config.model_type}.")
        rope: Any = config.rope_parameters
        if rope["rope_type"] != "default":
            raise ModelError(f"LLaDA's format has no {rope['rope_type']} rotary scaling.")
        return {
            **REQUIRED,
            "architectures": ["LLaDAModelLM"],
            "auto_map": {
                "AutoConfig": "configuration_llada.LLaDAConfig",
                "AutoModel": "modeling_llada.LLaDAModelLM",
                "AutoModelForCausalLM": "modeling_llada.LLaDAModelLM",
            },
            "model_type": "llada",
            "vocab_size": config.vocab_size,
            "embedding_size": config.vocab_size,
            "d_model": config.hidden_size,
            "mlp_hidden_size": config.intermediate_size,
            "n_layers": config.num_hidden_layers,
            "n_heads": config.num_attention_heads,
            "n_kv_heads": config.num_key_value_heads,
            "max_sequence_length": config.max_position_embeddings,
            "rms_norm_eps": config.rms_norm_eps,
            "rope_theta": rope["rope_theta"],
            "rope_full_precision": True,
            "weight_tying": config.tie_word_embeddings,
            "init_std": config.initializer_range,
            "mask_token_id": diffusion.mask_token_id,
            "bos_token_id": config.bos_token_id,
            "eos_token_id": config.eos_token_id,
            "pad_token_id": config.pad_token_id,
            "use_cache": False,
        }

    def official_name(self, atom: str) -> str:
        if atom in TOP:
            return ROOT + TOP[atom]
        found = LAYER.match(atom)
        if found and found[2] in IN_BLOCK:
            return f"{ROOT}blocks.{found[1]}.{IN_BLOCK[found[2]]}.weight"
        return atom

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "llada"}
