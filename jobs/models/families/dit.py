"""What MDLM, BD3-LM and SEDD share: the names of a DiT's tensors."""

import re
from typing import Any, ClassVar

from transformers import PreTrainedConfig

from jobs.models.dit import DiTConfig
from jobs.models.families.base import Family, needs
from jobs.protocol.errors import ModelError

TOP = {
    "embed_tokens.weight": "vocab_embed.embedding",
    "time_in": "sigma_map.mlp.0",
    "time_out": "sigma_map.mlp.2",
    "norm": "output_layer.norm_final",
    "modulation": "output_layer.adaLN_modulation",
    "lm_head": "output_layer.linear",
}
IN_LAYER = {
    "attention_norm": "norm1",
    "qkv_proj": "attn_qkv",
    "o_proj": "attn_out",
    "mlp_norm": "norm2",
    "up_proj": "mlp.0",
    "down_proj": "mlp.2",
    "modulation": "adaLN_modulation",
}
LAYER = re.compile(r"^layers\.(\d+)\.(\w+)\.(weight|bias)$")


class DiTFamily(Family):
    """Onto our own DiT."""

    lora_targets = ("qkv_proj", "o_proj", "up_proj", "down_proj")
    prefix: ClassVar[str] = "backbone."
    """What stands before every official name."""

    def official_name(self, atom: str) -> str:
        found = LAYER.match(atom)
        if found:
            return f"{self.prefix}blocks.{found[1]}.{IN_LAYER[found[2]]}.{found[3]}"
        if atom in TOP:
            return self.prefix + TOP[atom]
        module, _, kind = atom.rpartition(".")
        return f"{self.prefix}{TOP[module]}.{kind}"

    def dit(self, config: dict[str, Any], vocabulary: int, **sizes: Any) -> DiTConfig:
        """A stock config. The mask is the last token if config.json names none. Raises: ModelError."""
        mask = config.get("mask_token_id")
        mask = vocabulary - 1 if mask is None else mask
        if not 0 <= mask < vocabulary or sizes["hidden_size"] % (2 * sizes["num_attention_heads"]):
            raise ModelError(
                f"this {self.title} has {vocabulary} tokens with mask {mask}, and {sizes['hidden_size']} "
                f"numbers for {sizes['num_attention_heads']} heads: that is no model."
            )
        return DiTConfig(vocab_size=vocabulary, mask_token_id=mask, **sizes)

    def needs_dit(self, config: PreTrainedConfig, **switches: bool) -> None:
        """Raises: ModelError if a stock model is no DiT, or not one with these switches."""
        needs(config, self, DiTConfig.model_type)
        for switch, wanted in switches.items():
            if getattr(config, switch) is not wanted:
                raise ModelError(f"{self.title}'s format holds models with {switch} = {wanted} only.")


def flat_sizes(config: dict[str, Any]) -> dict[str, Any]:
    """The sizes in an MDLM or BD3-LM config.json, by our names. Raises: ModelError for a missing key."""
    try:
        return {
            "hidden_size": config["hidden_dim"],
            "num_hidden_layers": config["n_blocks"],
            "num_attention_heads": config["n_heads"],
            "cond_dim": config["cond_dim"],
            "max_position_embeddings": config["model_length"],
            "dropout": config.get("dropout", 0.1),
            "initializer_range": config.get("initializer_range"),
        }
    except KeyError as error:
        raise ModelError(f"config.json lacks the key {error}. Copy the model again.") from None


def official_sizes(config: PreTrainedConfig) -> dict[str, Any]:
    """The way back."""
    return {
        "vocab_size": config.vocab_size,
        "hidden_dim": config.hidden_size,
        "n_blocks": config.num_hidden_layers,
        "n_heads": config.num_attention_heads,
        "cond_dim": config.cond_dim,
        "model_length": config.max_position_embeddings,
        "dropout": config.dropout,
        "initializer_range": config.initializer_range,
    }
