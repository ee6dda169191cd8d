"""Finding the layers of a decoder, and modules by the names that people write."""

from torch import nn
from transformers import PreTrainedModel

from jobs.protocol.errors import SpecError


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The list of the text model's layers, in order. Raises: SpecError for a model without one."""
    config = model.config.get_text_config()
    count = config.num_hidden_layers
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count and "visual" not in name.split("."):
            return module
    raise SpecError(f"tuning.method: {type(model).__name__} has no list of layers; use full or lora.")


def named_modules(model: nn.Module, names: list[str]) -> list[nn.Module]:
    """The modules that have one of these names, or whose path ends with it.

    Raises: SpecError for a name that fits none.
    """
    found = []
    for wanted in names:
        fitting = [m for path, m in model.named_modules() if f".{path}".endswith(f".{wanted}")]
        if not fitting:
            last = sorted({path.rsplit(".", 1)[-1] for path, _ in model.named_modules() if path})
            known = ", ".join(name for name in last if not name.isdigit())
            raise SpecError(f"tuning.modules_to_save: the model has no module {wanted}; it has {known}.")
        found += fitting
    return found
