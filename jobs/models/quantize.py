"""Frozen weights in 4 bits, for LoRA beside them (QLoRA, Dettmers et al. 2023, 2305.14314; bitsandbytes)."""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from jobs.protocol.errors import SpecError

FORMAT = "nf4"


def quantize(model: PreTrainedModel, device: torch.device, keep: list[str]) -> PreTrainedModel:
    """The model with its linear layers in 4 bits, in place; the vocabulary matrix and modules that `keep`
    names stay. Each layer is taken to `device` alone, so that only one is there whole.

    Raises: SpecError for a model without linear layers (GPT-2, whose layers are of a kind of its own).
    """
    import bitsandbytes as bnb  # noqa: PLC0415 - optional

    head = model.get_output_embeddings()
    chosen = [
        (path, module)
        for path, module in model.named_modules()
        if type(module) is nn.Linear and module is not head and not set(path.split(".")) & set(keep)
    ]
    if not chosen:
        raise SpecError(
            f"tuning.quantize: {type(model).__name__} has no linear layers to keep in 4 bits; set it to none."
        )
    for path, old in chosen:
        dtype = old.weight.dtype
        new = bnb.nn.Linear4bit(
            *(old.in_features, old.out_features, old.bias is not None),
            compute_dtype=dtype,
            quant_type=FORMAT,
            device="meta",
        )
        # On some CPUs it would repack its weights at the first validation, into a form that is not read back.
        new.support_avx512bf16_for_cpu = False
        new.bias = old.bias
        new.weight = bnb.nn.Params4bit(old.weight.data, requires_grad=False, quant_type=FORMAT, module=new)
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, new.to(device))
    model.is_loaded_in_4bit = True  # peft looks for it
    return model


def is_quantized(model: nn.Module) -> bool:
    """Whether some weights are in 4 bits."""
    return any(_holds_4bit(module) for module in model.modules())


def dequantize(model: PreTrainedModel) -> PreTrainedModel:
    """The same model with its 4-bit weights as plain ones, in place: the values that were computed with."""
    import bitsandbytes as bnb  # noqa: PLC0415 - optional

    for path, old in [(path, m) for path, m in model.named_modules() if _holds_4bit(m)]:
        weight = bnb.functional.dequantize_4bit(old.weight.data, old.weight.quant_state)
        new = nn.Linear(old.in_features, old.out_features, old.bias is not None, device="meta")
        new.weight, new.bias = nn.Parameter(weight.to(old.compute_dtype), requires_grad=False), old.bias
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, new)
    if hasattr(model, "is_loaded_in_4bit"):
        del model.is_loaded_in_4bit
    return model


def _holds_4bit(module: Any) -> bool:
    return getattr(getattr(module, "weight", None), "quant_state", None) is not None
