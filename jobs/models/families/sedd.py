"""SEDD trained on OpenWebText (louaaron/sedd-small, -medium), onto our own DiT.

Derived from the published source (louaaron/Score-Entropy-Discrete-Diffusion, model/transformer.py): the same
network as MDLM's, conditioned on the noise level sigma. Its output is the log of p_t(y) / p_t(mask) for each
word y; at a mask that is log p(y | the readable tokens) - log(e^sigma - 1), so the network's own outputs are
the logits of a denoiser, up to the constant that makes them scores (Lou et al. 2024, arXiv 2310.16834).
The folder is a PyTorchModelHubMixin's: config.json is the training's whole configuration and names no class;
`tokens` counts GPT-2's words, the mask comes after them. No recorded outputs of the official code exist here.
"""

from typing import Any, ClassVar

from transformers import PreTrainedConfig

from jobs.models.families.base import required
from jobs.models.families.dit import DiTFamily
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

NETWORK = {"type": "ddit", "scale_by_sigma": True}  # the one that was published


class SEDD(DiTFamily):
    """Full attention, no shift, conditioned on the noise level."""

    name = "sedd"
    prefix = ""
    debug: ClassVar[dict[str, Any]] = {
        "graph": {"type": "absorb"},
        "noise": {"type": "loglinear"},
        "model": {
            **{**NETWORK, "hidden_size": 32, "cond_dim": 8, "length": 64, "n_blocks": 2, "n_heads": 2},
            **{"dropout": 0.1, "initializer_range": 0.2},
        },
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        required(config.get("graph") or {}, {"type": "absorb"}, f"{self.title} graph")
        required(config.get("noise") or {}, {"type": "loglinear"}, f"{self.title} noise")
        network = config.get("model") or {}
        required(network, NETWORK, f"{self.title} model")
        try:
            sizes = {
                "hidden_size": network["hidden_size"],
                "num_hidden_layers": network["n_blocks"],
                "num_attention_heads": network["n_heads"],
                "cond_dim": network["cond_dim"],
                "max_position_embeddings": network["length"],
            }
        except KeyError as error:
            raise ModelError(f"config.json lacks the key model.{error}. Copy the model again.") from None
        return self.dit(
            config,
            vocabulary(config),
            time_conditioning=True,
            dropout=network.get("dropout", 0.1),
            initializer_range=network.get("initializer_range"),
            **sizes,
        )

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        self.needs_dit(config, adaln=True, time_conditioning=True)
        if diffusion.mask_token_id != config.vocab_size - 1:
            raise ModelError(f"{self.title}'s format has the mask after all words; here it is among them.")
        return {
            "tokens": config.vocab_size - 1,
            "graph": {"type": "absorb"},
            "noise": {"type": "loglinear"},
            "model": {
                **NETWORK,
                "hidden_size": config.hidden_size,
                "cond_dim": config.cond_dim,
                "length": config.max_position_embeddings,
                "n_blocks": config.num_hidden_layers,
                "n_heads": config.num_attention_heads,
                "dropout": config.dropout,
                "initializer_range": config.initializer_range,
            },
        }

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "sedd"}


def vocabulary(config: dict[str, Any]) -> int:
    """Words and the mask. `vocab_size`, which no official folder has, counts it; `tokens` does not."""
    if "vocab_size" in config:
        return config["vocab_size"]
    if "tokens" not in config:
        raise ModelError("config.json lacks the key 'tokens'. Copy the model again.")
    return config["tokens"] + 1
