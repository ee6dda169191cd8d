"""DiffusionGemma (google/diffusiongemma-26B-A4B-it): transformers' own class, in its own format.

It is no masked model. An encoder reads the text so far from left to right into a cache; a decoder with the
same weights refines a canvas of random tokens that sees itself and the cache both ways. So nothing is
switched here, and the mask token (Gemma's own <mask>) only stands for cells that are still to be written: the
model is never shown it. Derived from transformers' source; the sampler of this name equals its
generate(). No recorded outputs of the real weights exist here.
"""

from typing import Any, ClassVar

from transformers import DiffusionGemmaConfig, PreTrainedConfig

from jobs.models.families.base import Family, needs
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

ROPE = {
    "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
}
TEXT_DEBUG = {
    **{"model_type": "diffusion_gemma_text", "hidden_size": 32, "intermediate_size": 48, "head_dim": 8},
    **{"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 8},
    **{"layer_types": ["sliding_attention", "full_attention"], "global_head_dim": 8},
    **{"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 16, "num_global_key_value_heads": 2},
    **{"max_position_embeddings": 256, "initializer_range": 0.2, "rope_parameters": ROPE},
}
VISION_DEBUG = {
    **{"model_type": "gemma4_vision", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "patch_size": 8},
    **{"pooling_kernel_size": 2, "position_embedding_size": 64},
}


class DiffusionGemma(Family):
    """Onto itself."""

    name = "diffusion_gemma"
    mask_token_id = 4
    windows = "keep"
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["DiffusionGemmaForBlockDiffusion"], "model_type": "diffusion_gemma"},
        **{"text_config": TEXT_DEBUG, "vision_config": VISION_DEBUG, "canvas_length": 8},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        try:
            return DiffusionGemmaConfig.from_dict(dict(config))
        except Exception as error:  # noqa: BLE001 - validation errors of transformers share no better base
            raise ModelError(f"config.json cannot be used: {str(error).strip().splitlines()[-1]}") from None

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "diffusion_gemma")
        data = config.to_dict()
        data.pop("_name_or_path", None)
        named = (
            {}
            if diffusion.mask_token_id == self.mask_token_id
            else {"mask_token_id": diffusion.mask_token_id}
        )
        return {**data, "architectures": ["DiffusionGemmaForBlockDiffusion"], **named}

    def debug_config(self, vocabulary: dict[str, int], **special: int | None) -> dict[str, Any]:
        mask = special.pop("mask_token_id")
        text = {**TEXT_DEBUG, "vocab_size": len(vocabulary), **special}
        ends = {"eos_token_id": special["eos_token_id"], "mask_token_id": mask}
        return {**self.debug, "text_config": text, **ends}

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"noise": "uniform", "objective": "diffusion_gemma", "sliding_window": self.windows}
