"""Which class belongs to a config: transformers', a masked-LM encoder, or our own DiT."""

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    DiffusionGemmaForBlockDiffusion,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen3VLForConditionalGeneration,
)

from jobs.models.dit import DiTConfig, DiTForMaskedLM
from jobs.models.masked_lm import MASKED_LM
from jobs.protocol.errors import ModelError

OURS: dict[str, type[PreTrainedModel]] = {**MASKED_LM, DiTConfig.model_type: DiTForMaskedLM}

VISION: dict[str, type[PreTrainedModel]] = {"qwen3_vl": Qwen3VLForConditionalGeneration}
"""Models that read pictures too."""

NATIVE: dict[str, type[PreTrainedModel]] = {"diffusion_gemma": DiffusionGemmaForBlockDiffusion}
"""Models that transformers itself knows as diffusion models."""


def model_class(config: PreTrainedConfig) -> type[PreTrainedModel]:
    """The class with a vocabulary head: masked-LM for encoders, causal-LM else. Raises: ModelError."""
    if config.model_type in OURS:
        return OURS[config.model_type]
    for known in (VISION, NATIVE):
        if config.model_type in known:
            return known[config.model_type]
    try:
        return MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    except KeyError:
        raise ModelError(f"{config.model_type} is no language model of transformers.") from None
