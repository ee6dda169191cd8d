"""DiffuGPT s and m (diffusionfamily/diffugpt-*): GPT-2 inside a wrapper, shifted.

HKUNLP/DiffuLLaMA's DiscreteDiffusionModel stores embed_tokens and denoise_model.*, and the tied lm_head under
one of its two names (PyTorchModelHubMixin). Verified against its code (tests/golden, diffugpt_logits).
"""

from typing import Any, ClassVar

from transformers import GPT2Config, PreTrainedConfig

from jobs.models.families.base import Family, needs, official_from_same_keys, stock_from_same_keys
from jobs.specs.diffusion_config import DiffusionConfig

SMALL = 50257  # GPT-2's vocabulary: diffugpt-s has no token added
SMALL_MASK = 10541  # an existing token, taken for the mask


class DiffuGPT(Family):
    """Onto GPT-2."""

    name = "diffugpt"
    mask_token_id = SMALL_MASK
    lora_targets = ("c_attn", "c_proj", "c_fc")
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["DiscreteDiffusionModel"], "model_type": "gpt2", "n_embd": 32, "n_layer": 2},
        **{"n_head": 2, "n_positions": 64, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        return stock_from_same_keys(GPT2Config, config)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "gpt2")
        return official_from_same_keys(
            config, architectures=["DiscreteDiffusionModel"], mask_token_id=diffusion.mask_token_id
        )

    def official_name(self, atom: str) -> str:
        if atom == "transformer.wte.weight":
            return "embed_tokens.weight"
        return atom.replace("transformer.", "denoise_model.", 1)

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        # diffugpt-m: the added mask token comes right after GPT-2's vocabulary
        added = config.get("mask_token_id") is None and config.get("vocab_size", SMALL) > SMALL
        mask = {"mask_token_id": SMALL} if added else {}
        return {"objective": "ddm", "shifted_logits": True, **mask}
