"""More layers that change nothing at first (LLaMA Pro, Wu et al. 2024, 2401.02415).

A new layer is a copy of the one before it whose outputs are multiplied by zero, so the text passes it on the
residual path alone. Only new layers are trained: what the model knew stays where it was.
"""

import copy

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from jobs.models.layers import decoder_layers
from jobs.protocol.errors import SpecError

OUTPUTS = ("o_proj", "down_proj", "c_proj", "out_proj", "fc2")
"""What stock decoders call the matrices that write to the residual path."""
PER_LAYER = ("layer_types", "no_rope_layers", "mlp_layer_types")
"""Keys of configs that have an entry a layer."""
TOLERANCE = 1e-4


@torch.no_grad()
def expand(model: PreTrainedModel, count: int) -> list[nn.Module]:
    """Add `count` layers to the model, in place and spread evenly; returns them.

    Raises: SpecError for a model that would not be the same with them.
    """
    layers, config = decoder_layers(model), model.config.get_text_config()
    before = _sample(model)
    # 1. Behind which of the old layers: the last of each of `count` equal groups.
    old, places = len(layers), [-(-len(layers) * (i + 1) // count) - 1 for i in range(count)]
    order: list[tuple[int, nn.Module]] = []
    new: list[nn.Module] = []
    for at in range(old):
        order.append((at, layers[at]))
        for _ in range(places.count(at)):
            new.append(_silent_copy(layers[at]))
            order.append((at, new[-1]))
    # 2. The list of layers, their numbers, and the config.
    del layers[:]
    layers.extend(layer for _, layer in order)
    for number, layer in enumerate(layers):
        for module in layer.modules():
            if isinstance(getattr(module, "layer_idx", None), int):
                module.layer_idx = number
    for key in PER_LAYER:
        values = getattr(config, key, None)
        if isinstance(values, list | tuple) and len(values) == old:
            setattr(config, key, [values[at] for at, _ in order])
    config.num_hidden_layers = len(layers)
    # 3. The promise.
    after = _sample(model)
    if (after - before).abs().max() > TOLERANCE * before.abs().max():
        raise SpecError(
            f"tuning.method: new layers would change what {type(model).__name__} says from the start; "
            "use lora or layers."
        )
    return new


def _silent_copy(layer: nn.Module) -> nn.Module:
    """A copy whose matrices that write to the residual path are zero."""
    made = copy.deepcopy(layer)
    for name, module in made.named_modules():
        if isinstance(module, nn.Linear | Conv1D) and name.rsplit(".", 1)[-1] in OUTPUTS:
            module.weight.zero_()
            if module.bias is not None:
                module.bias.zero_()
    return made


def _sample(model: PreTrainedModel) -> torch.Tensor:
    """The logits of a few tokens."""
    rows = model.get_input_embeddings().weight.shape[0]
    ids = torch.arange(8, device=next(model.parameters()).device)[None] % rows
    training = model.training
    model.eval()
    logits = model(input_ids=ids, use_cache=False).logits.float()
    model.train(training)
    return logits
