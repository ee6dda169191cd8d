"""Switching the causal mask off in a stock transformers decoder, and the choice about window layers."""

from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedConfig

from jobs.protocol.errors import ModelError

WINDOW_CHOICES = (
    "sliding_window: keep (every position sees the window on both sides) or "
    "sliding_window: full (every position sees the whole text)"
)

WINDOW_AND_NOTHING_ELSE = frozenset({"qwen2", "qwen3", "qwen2_moe", "qwen3_moe", "gemma2"})


def configs_of(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    """A config and the configs inside it."""
    yield config
    for name in config.sub_configs:
        inner = getattr(config, name, None)
        if isinstance(inner, PreTrainedConfig):
            yield from configs_of(inner)


NATIVE = frozenset({"diffusion_gemma"})
"""Diffusion models of transformers: each part of them looks the way it was published to."""


def switch_off_causality(config: PreTrainedConfig) -> None:
    """Set is_causal = False in every decoder's config; transformers >= 5.17 reads it there, and it is saved.

    Encoders of pictures were never causal, and some cannot be told so once more.
    """
    for part in configs_of(config):
        if part.base_config_key != "vision_config":
            part.is_causal = False


def make_bidirectional(model: nn.Module) -> nn.Module:
    """Let every position see every other; returns the same model.

    Both switches are needed: the mask functions read the configs, the sdpa and flash kernels read the
    attention modules. Either alone leaves some attention implementation causal. Models of NATIVE are left
    as they are.
    """
    whole = getattr(model, "config", None)
    if isinstance(whole, PreTrainedConfig) and whole.model_type in NATIVE:
        return model
    for module in model.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig):
            switch_off_causality(config)
        if getattr(module, "is_causal", None) is True:
            module.is_causal = False
    return model


def has_windows(config: PreTrainedConfig) -> bool:
    """Whether some layers see only a window of the text."""
    return any(_has_window(part) for part in configs_of(config))


def _has_window(config: PreTrainedConfig) -> bool:
    layers = getattr(config, "layer_types", None)
    if layers:
        return "sliding_attention" in layers
    if not hasattr(type(config), "sliding_window"):  # a stray key of config.json: the class reads none
        return False
    return bool(config.sliding_window) and getattr(config, "use_sliding_window", True)


def causal_layers(config: PreTrainedConfig) -> list[str]:
    """Kinds of layers whose direction no switch changes: recurrent, linear and chunked attention."""
    kinds = {kind for part in configs_of(config) for kind in getattr(part, "layer_types", None) or ()}
    return sorted(kinds - {"full_attention", "sliding_attention"})


def open_windows(config: PreTrainedConfig) -> None:
    """Let window layers see the whole text. Call before the model is built.

    In some families the layer kind also chooses the rotary base (Gemma 3) or whether there are positions at
    all (Cohere 2), so by default the kind stays and the window becomes as long as the longest text. Only
    where the kind is known to choose nothing else it is changed, which spares the kernels a mask.
    """
    for part in configs_of(config):
        if not _has_window(part):
            continue
        layers = getattr(part, "layer_types", None)
        if not layers:
            part.sliding_window = None
            continue
        part.sliding_window = part.max_position_embeddings
        if part.model_type in WINDOW_AND_NOTHING_ELSE:
            part.layer_types = ["full_attention"] * len(layers)
            if hasattr(part, "use_sliding_window"):
                part.use_sliding_window = False


@torch.no_grad()
def later_token_matters(model: nn.Module, vocab_size: int, length: int = 8) -> bool:
    """Whether changing the last token moves the logits before it: True for a bidirectional model.

    Tokens are drawn from a fixed seed. A few pairs are tried, for low-precision models may round one away.
    Raises: ModelError if the logits are not finite.
    """
    generator = torch.Generator().manual_seed(0)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        for _ in range(4):
            ids = torch.randint(vocab_size, (2, length), generator=generator)
            ids[1, :-1] = ids[0, :-1]
            ids[1, -1] = (ids[0, -1] + 1) % vocab_size
            # one row at a time: the same kernel shapes, so equal inputs give equal outputs to the bit
            first, second = (model(input_ids=row[None].to(device), use_cache=False).logits for row in ids)
            if not bool(first.isfinite().all()):
                raise ModelError("the model's outputs are not finite numbers: its weights are broken.")
            if not torch.equal(first[:, :-1], second[:, :-1]):
                return True
        return False
    finally:
        model.train(was_training)
