"""Which stock class belongs to a config."""

from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig, PreTrainedModel

from jobs.models.masked_lm import MASKED_LM
from jobs.protocol.errors import ModelError


def model_class(config: PreTrainedConfig) -> type[PreTrainedModel]:
    """The class with a vocabulary head: masked-LM for encoders, causal-LM else. Raises: ModelError."""
    if config.model_type in MASKED_LM:
        return MASKED_LM[config.model_type]
    try:
        return MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    except KeyError:
        raise ModelError(f"{config.model_type} is no language model of transformers.") from None
