"""MDLM trained on OpenWebText (kuleshov-group/mdlm-owt, -no_flashattn-fp32-owt), onto our own DiT.

Derived from the published source (kuleshov-group/mdlm models/dit.py; the Hub folder's modeling_mdlm.py): the
source's tensors behind `backbone.`, conditioned on a noise level that is always given as 0. The folder has
no tokenizer; it is GPT-2's, and the mask comes right after its words. No recorded outputs exist here.
"""

from typing import Any, ClassVar

from transformers import PreTrainedConfig

from jobs.models.families.dit import DiTFamily, flat_sizes, official_sizes
from jobs.specs.diffusion_config import DiffusionConfig


class MDLM(DiTFamily):
    """Full attention, no shift."""

    name = "mdlm"
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["MDLM"], "model_type": "mdlm", "hidden_dim": 32, "cond_dim": 8, "n_blocks": 2},
        **{"n_heads": 2, "model_length": 64, "time_conditioning": False, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        timed = bool(config.get("time_conditioning", False))
        return self.dit(config, config["vocab_size"], time_conditioning=timed, **flat_sizes(config))

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        self.needs_dit(config, adaln=True)
        return {
            "architectures": ["MDLM"],
            "auto_map": {
                "AutoConfig": "configuration_mdlm.MDLMConfig",
                "AutoModelForMaskedLM": "modeling_mdlm.MDLM",
            },
            "model_type": "mdlm",
            **official_sizes(config),
            "time_conditioning": config.time_conditioning,
            "mask_token_id": diffusion.mask_token_id,
        }

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "mdlm"}
