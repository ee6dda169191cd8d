"""The model as a denoiser: ids with masks in, logits that line up with the ids out.

Shape suffixes: B rows, L positions of the canvas, W positions whose logits are wanted, Q positions that the
model is fed, V vocabulary.
"""

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.diffusion.attention import blocks_mask
from jobs.diffusion.caches import CanvasCache
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers.fits import fitting


class Denoiser:
    """A bidirectional language model in eval mode, and what it needs to be read rightly.

    One that refines random tokens instead of masks has no logits here: only its own sampler can ask it.
    """

    def __init__(self, model: torch.nn.Module, config: DiffusionConfig):
        self.model = model
        self.config = config
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # inside LoRA
        takes = inspect.signature(inner.forward).parameters
        self._counts_positions = "position_ids" in takes
        self.can_cache = "past_key_values" in takes
        self._takes_noise = "sigma" in takes

    @property
    def mask_id(self) -> int:
        return self.config.mask_token_id

    def new_cache(self, capacity: int) -> CanvasCache:
        """An empty cache for canvases of `capacity` positions.

        Raises: SpecError where the model keeps no keys and values.
        """
        if not self.can_cache:
            raise SpecError("This model cannot keep keys and values between steps: set use_cache to none.")
        return CanvasCache(self.model.config.get_text_config().num_hidden_layers, capacity)

    @torch.no_grad()
    def __call__(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        at: Tensor | slice | None = None,
        *,
        feed: slice | None = None,
        cache: CanvasCache | None = None,
        blocks: Tensor | None = None,
        sigma: Tensor | None = None,
    ) -> Tensor:
        """Logits [B, W, V] in float32 for the W positions `at` (columns; None: all) of `ids` [B, L].

        `attention_mask` [B, L] is 0 at padding. Padding may be on the left: positions are then counted from
        each row's first real token, so that a padded row says what it says alone.
        `feed`: the model is given these columns only and reads the others from `cache`.
        `blocks` [B, L] numbers the blocks of block-causal attention; None: as the model was trained, which
        for a block-diffusion model is blocks of its size from each row's first real token.
        `sigma` [B] is the noise level, for models that are told it; None: they go by the share of masks.
        In a shifted model the output at i - 1 predicts token i; a row's first token has no such output and
        gets its own, as in dllm and Dream.
        Raises: SpecError for a model that fills no masks.
        """
        length = ids.shape[1]
        start, stop, _ = (feed or slice(None)).indices(length)
        at = at if isinstance(at, Tensor) else torch.arange(length, device=ids.device)[at or slice(None)]
        outputs_W = self.outputs(at) - start
        assert feed is None or bool(((outputs_W >= 0) & (outputs_W < stop - start)).all()), "not fed"
        extra = self._sees(ids, attention_mask, slice(start, stop), cache, blocks)
        if sigma is not None and self._takes_noise:
            extra["sigma"] = sigma
        begins_BW = self.begins(attention_mask, at)
        if begins_BW is None:
            return self.model(input_ids=ids[:, start:stop], logits_to_keep=outputs_W, **extra).logits.float()
        own_K = begins_BW.any(0).nonzero().flatten()
        both = torch.cat([outputs_W, at[own_K] - start])
        logits = self.model(input_ids=ids[:, start:stop], logits_to_keep=both, **extra).logits.float()
        logits_BWV, own_BKV = logits.split([len(at), len(own_K)], 1)
        logits_BWV[:, own_K] = torch.where(begins_BW[:, own_K, None], own_BKV, logits_BWV[:, own_K])
        return logits_BWV

    def begins(self, attention_mask: Tensor | None, at: Tensor) -> Tensor | None:
        """[B, W] bool: columns after padding where a row's text begins, which in a shifted model speak for
        themselves as position 0 does. None: there are none."""
        if attention_mask is None or not self.config.shifted_logits:
            return None
        real_BL = attention_mask.bool()
        begins_BW = (real_BL & (real_BL.cumsum(1) == 1))[:, at] & (at > 0)
        return begins_BW if bool(begins_BW.any()) else None

    @torch.no_grad()
    def selected(self, ids: Tensor, attention_mask: Tensor | None, wanted: Tensor) -> Tensor:
        """Logits [N, V] in float32 of the N outputs `wanted` [B, L] bool, row by row. Each row may want
        others: this is how canvases of different requests share a batch. They are not padded on the left."""
        extra = self._sees(ids, attention_mask, slice(0, ids.shape[1]), None, None)
        return self.model(input_ids=ids, logits_to_keep=wanted, **extra).logits.flatten(0, -2).float()

    def _sees(
        self, ids: Tensor, attention_mask: Tensor | None, fed: slice, cache: CanvasCache | None, blocks: Any
    ) -> dict[str, Any]:
        """What the model is told besides the ids of the columns `fed`: who sees whom, positions, cache."""
        if self.config.noise != "mask":
            raise SpecError(
                "This model fills no masks: it refines random tokens, which only a sampler of its own does "
                f"({', '.join(fitting(self.config))})."
            )
        extra: dict[str, Any] = {"use_cache": cache is not None}
        padded = attention_mask is not None and not bool(attention_mask.all())
        # 1. Positions count real tokens.
        positions_BL = torch.arange(ids.shape[1], device=ids.device)[None]
        if padded:
            assert attention_mask is not None
            positions_BL = (attention_mask.long().cumsum(1) - 1).clamp(min=0)
            if self._counts_positions:  # models with ALiBi count from the mask themselves
                extra["position_ids"] = positions_BL[:, fed]
        # 2. Padding is hidden as a key; of a block-diffusion model later blocks are too.
        if blocks is None and self.config.block_size is not None:
            blocks = positions_BL // self.config.block_size
        if blocks is None:
            extra |= {"attention_mask": attention_mask} if padded else {}
        else:
            hidden = attention_mask[:, : fed.stop] if attention_mask is not None and padded else None
            extra["attention_mask"] = blocks_mask(self.model, blocks, fed, hidden, len(ids))
        # 3. The cache is written where the columns stand.
        if cache is not None:
            extra["past_key_values"] = cache.at(fed.start, ids.shape[1] if blocks is None else fed.stop)
        return extra

    def outputs(self, at: Tensor) -> Tensor:
        """The columns of the model's output that predict the tokens at columns `at`."""
        return (at - 1).clamp(min=0) if self.config.shifted_logits else at


def guided(
    denoiser: Denoiser,
    ids: Tensor,
    given: Tensor,
    scale: float,
    attention_mask: Tensor | None,
    at: Tensor | slice | None,
) -> Tensor:
    """Classifier-free guidance: logits [B, W, V] pushed away from what the model says without the given
    tokens, un + (scale + 1) (cond - un) (Nie et al. 2025, arXiv 2502.09992, eq. 16).

    `given` [B, L] bool marks the tokens that the unconditional half sees as masks. Both halves run as one
    batch of 2B rows.
    """
    if scale == 0:
        return denoiser(ids, attention_mask, at)
    both = torch.cat([ids, ids.masked_fill(given, denoiser.mask_id)])
    mask = None if attention_mask is None else attention_mask.repeat(2, 1)
    return guide(denoiser(both, mask, at), scale)


def guide(both_2BWV: Tensor, scale: float) -> Tensor:
    """The guided logits [B, W, V] from those with the given tokens, followed by those without."""
    cond_BWV, uncond_BWV = both_2BWV.chunk(2)
    return uncond_BWV + (scale + 1) * (cond_BWV - uncond_BWV)


def probabilities(logits: Tensor) -> Tensor:
    """softmax over the vocabulary in float32 [..., V]."""
    return F.softmax(logits, dim=-1)
