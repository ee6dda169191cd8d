"""A model whose weights nobody has read: all its parts and buffers, in memory that was never written to and
so costs nothing yet. For a process that is sent the weights by another one."""

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from jobs.models.classes import model_class


def unread(config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """The model of a config with weights of no meaning. Raises: ModelError for what is no language model."""
    with no_init_weights():
        model = model_class(config)._from_config(config, dtype=dtype)
    model.tie_weights()
    return model
