"""BD3-LM trained on OpenWebText (kuleshov-group/bd3lm-owt-block_size4, 8, 16), onto our own DiT.

Derived from the published source (kuleshov-group/bd3lms, models/hf/modeling_bd3lm.py and push_to_hf.py):
MDLM's network and tensors, trained on [x_t ; x_0] and sampled with block-causal attention. `cross_attn` there
means just that mask, not other weights. Its two scalars sampling_eps_* are the range of noise levels that
training searched for; here a training's objective has its own. No recorded outputs exist here.
"""

import re
from typing import Any, ClassVar

from transformers import PreTrainedConfig

from jobs.models.families.base import required
from jobs.models.families.dit import DiTFamily, flat_sizes, official_sizes
from jobs.specs.diffusion_config import DiffusionConfig


class BD3LM(DiTFamily):
    """Block diffusion; a block as long as the text is plain MDLM (bd3lm-owt-block_size1024-pretrain)."""

    name = "bd3lm"
    ignored = re.compile(r"^sampling_eps_(min|max)$")
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["BD3LM"], "model_type": "bd3lm", "hidden_dim": 32, "cond_dim": 8, "n_blocks": 2},
        **{"n_heads": 2, "model_length": 64, "block_size": 4, "adaln": True, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        required(config, {"time_conditioning": False, "causal": False}, self.title)
        adaln = bool(config.get("adaln", True))
        return self.dit(config, config["vocab_size"], adaln=adaln, **flat_sizes(config))

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        self.needs_dit(config, time_conditioning=False)
        return {
            "architectures": ["BD3LM"],
            "auto_map": {
                "AutoConfig": "configuration_bd3lm.BD3LMConfig",
                "AutoModelForMaskedLM": "modeling_bd3lm.BD3LM",
            },
            "model_type": "bd3lm",
            **official_sizes(config),
            "adaln": config.adaln,
            "attn_backend": "sdpa",
            "block_size": diffusion.block_size or config.max_position_embeddings,
            "causal": False,
            "cross_attn": diffusion.block_size is not None,
            "time_conditioning": False,
            "var_min": False,
            "mask_token_id": diffusion.mask_token_id,
        }

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        size = config.get("block_size")
        if size is None or size >= config["model_length"]:
            return {"objective": "mdlm"}
        return {"objective": "bd3lm", "block_size": size}
