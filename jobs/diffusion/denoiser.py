"""The model as a denoiser: ids with masks in, logits that line up with the ids out."""

import inspect

import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.specs.diffusion_config import DiffusionConfig


class Denoiser:
    """A bidirectional language model in eval mode, and what it needs to be read rightly."""

    def __init__(self, model: torch.nn.Module, config: DiffusionConfig):
        self.model = model
        self.config = config
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # inside LoRA
        self._counts_positions = "position_ids" in inspect.signature(inner.forward).parameters

    @property
    def mask_id(self) -> int:
        return self.config.mask_token_id

    @torch.no_grad()
    def __call__(
        self, ids: Tensor, attention_mask: Tensor | None = None, window: slice | None = None
    ) -> Tensor:
        """Logits [B, W, V] in float32 for the W positions of `window` (None: all) of `ids` [B, L].

        `attention_mask` [B, L] is 0 at padding. Padding may be on the left: positions are then counted from
        each row's first real token, so that a padded row says what it says alone.
        In a shifted model the output at i - 1 predicts token i; position 0 has no such output and gets its
        own, as in dllm and Dream.
        """
        start, stop, _ = (window or slice(None)).indices(ids.shape[1])
        # 1. Which outputs speak for the window.
        wanted_W = torch.arange(start, stop, device=ids.device)
        if self.config.shifted_logits:
            wanted_W = (wanted_W - 1).clamp(min=0)
        # 2. Padding is hidden as a key and does not count as a position.
        extra = {}
        if attention_mask is not None and not bool(attention_mask.all()):
            extra["attention_mask"] = attention_mask
            if self._counts_positions:  # models with ALiBi count from the mask themselves
                extra["position_ids"] = (attention_mask.long().cumsum(1) - 1).clamp(min=0)
        # 3. Only those outputs pass through the vocabulary matrix.
        out = self.model(input_ids=ids, logits_to_keep=wanted_W, use_cache=False, **extra)
        return out.logits.float()


def guided(
    denoiser: Denoiser,
    ids: Tensor,
    given: Tensor,
    scale: float,
    attention_mask: Tensor | None,
    window: slice,
) -> Tensor:
    """Classifier-free guidance: logits [B, W, V] pushed away from what the model says without the given
    tokens, un + (scale + 1) (cond - un) (Nie et al. 2025, arXiv 2502.09992, eq. 16).

    `given` [B, L] bool marks the tokens that the unconditional half sees as masks. Both halves run as one
    batch of 2B rows.
    """
    if scale == 0:
        return denoiser(ids, attention_mask, window)
    both = torch.cat([ids, ids.masked_fill(given, denoiser.mask_id)])
    mask = None if attention_mask is None else attention_mask.repeat(2, 1)
    cond, uncond = denoiser(both, mask, window).chunk(2)
    return uncond + (scale + 1) * (cond - uncond)


def probabilities(logits: Tensor) -> Tensor:
    """softmax over the vocabulary in float32 [..., V]."""
    return F.softmax(logits, dim=-1)
