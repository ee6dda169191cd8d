"""Qwen3-VL (Qwen/Qwen3-VL-*) as a dLLM that sees pictures: the stock class, its text part bidirectional.

Nobody has published a masked Qwen3-VL, so there is no format of others to follow. The official format here is
the stock folder with one key more in config.json, `mask_token_id`; by that key it is told from the causal
models on the Hub, which `studio convert` makes into one. The vision encoder was never causal.
Unverified: no recorded outputs of a diffusion training of it exist here.
"""

import re
from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen3VLConfig

from jobs.models.families.base import Family, needs, stock_from_same_keys
from jobs.specs.diffusion_config import DiffusionConfig

IMAGE, VIDEO, START, END = "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"
TEXT_DEBUG = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
    **{"head_dim": 16, "intermediate_size": 48, "max_position_embeddings": 256, "initializer_range": 0.2},
    **{"rope_theta": 10000.0},
    "rope_scaling": {"mrope_interleaved": True, "mrope_section": [4, 2, 2], "rope_type": "default"},
}
VISION_DEBUG = {
    **{"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32},
    **{"patch_size": 4, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]},
    **{"initializer_range": 0.2},
}


class Qwen3VL(Family):
    """Onto itself, text mask off."""

    name = "qwen3_vl"
    special_tokens = (START, END, IMAGE, VIDEO)
    lora_targets = (*Family.lora_targets, "qkv", "linear_fc1", "linear_fc2")
    parts: ClassVar[dict[str, re.Pattern[str]]] = {
        "merger": re.compile(r"model\.visual\.(deepstack_)?merger(_list)?\..*"),
        "vision": re.compile(r"model\.visual\.(?!(deepstack_)?merger).*"),
    }
    frozen = ("vision",)
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["Qwen3VLForConditionalGeneration"], "model_type": "qwen3_vl"},
        **{"text_config": TEXT_DEBUG, "vision_config": VISION_DEBUG},
    }
    debug_images: ClassVar[dict[str, Any]] = {
        **{"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 4, "merge_size": 2},
        **{"temporal_patch_size": 2, "size": {"shortest_edge": 64, "longest_edge": 1024}},
        **{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        return stock_from_same_keys(Qwen3VLConfig, config)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "qwen3_vl")
        data = config.to_dict()
        for part in (data, data["text_config"], data["vision_config"]):
            for key in ("is_causal", "_name_or_path"):
                part.pop(key, None)
        # As in published folders: the rotary base apart, the sections of the three axes under rope_scaling.
        rope = dict(data["text_config"].pop("rope_parameters"))
        data["text_config"] |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
        return {
            **data,
            "architectures": ["Qwen3VLForConditionalGeneration"],
            "mask_token_id": diffusion.mask_token_id,
        }

    def debug_config(self, vocabulary: dict[str, int], **special: int | None) -> dict[str, Any]:
        mask = special.pop("mask_token_id")
        text = {**TEXT_DEBUG, "vocab_size": len(vocabulary), **special}
        return {
            **{**self.debug, "text_config": text, "mask_token_id": mask},
            **{"image_token_id": vocabulary[IMAGE], "video_token_id": vocabulary[VIDEO]},
            **{"vision_start_token_id": vocabulary[START], "vision_end_token_id": vocabulary[END]},
        }

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "mdlm"}
