"""DiffusionGemma's way to write, one denoising step at a time.

A canvas of random tokens after the text so far is refined until the model is sure: at each step it predicts
every token, those whose entropies together stay under a bound are accepted (Ben-Hamu et al. 2025, arXiv
2505.24857), and all others are drawn at random anew. The model also sees its previous prediction. A finished
canvas becomes text and the next one begins.

Read from transformers' DiffusionGemmaGenerationMixin.generate (5.23), which shows nothing of this on its way.
With the same seed the same tokens come out (tests/unit/diffusion/test_diffusion_gemma.py).

Shape suffixes: B rows, P positions of the text so far, C of a canvas, L of the whole, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical

from jobs.diffusion.samplers.base import CANDIDATES, Start, Step
from jobs.protocol.errors import SpecError


@dataclass(frozen=True)
class CanvasOptions:
    """What the published generation settings say, with their defaults."""

    max_denoising_steps: int = 48
    """Steps for a canvas, at most."""
    entropy_bound: float = 0.1
    """Nats that the accepted tokens of a step may have together, the least certain one left out."""
    t_max: float = 0.8
    """Temperature of a canvas's first step."""
    t_min: float = 0.4
    """Temperature towards its last step."""
    stability_threshold: int = 1
    """Steps for which the likeliest tokens must not have changed before a canvas is done."""
    confidence_threshold: float = 0.005
    """Mean entropy in nats that a canvas must be under to be done."""


@dataclass(frozen=True)
class CanvasStep:
    """One denoising step of one canvas."""

    block: int
    """Which canvas, from 0."""
    before: Tensor
    """[B, C] the canvas that the model saw, noise included."""
    after: Tensor
    """[B, C] the canvas that the next step will see: accepted tokens, noise elsewhere."""
    accepted: Tensor
    """[B, C] bool: tokens of `after` that the model wrote."""
    best: Tensor
    """[B, C] the likeliest tokens; when the canvas is done, its text."""
    probability: Tensor
    """[B, C, V] the model's, at this step's temperature."""
    entropy: Tensor
    """[B, C] in nats."""
    running: Tensor
    """[B] bool: rows whose canvas was not done before this step; the others did not change."""
    last: bool
    """Whether the canvas ends with this step, for all rows."""


class Encoder:
    """The text so far, read into the model's cache canvas by canvas."""

    def __init__(self, model: torch.nn.Module, ids_BP: Tensor, attention_mask_BP: Tensor | None):
        self.model = model
        self.new = ids_BP
        kept = torch.ones_like(ids_BP) if attention_mask_BP is None else attention_mask_BP
        self.mask = kept.bool()
        self.cache: Any = None

    def append(self, canvas_BC: Tensor) -> None:
        """The canvas is text now."""
        self.new = canvas_BC
        self.mask = torch.cat([self.mask, torch.ones_like(canvas_BC, dtype=torch.bool)], 1)

    def read(self) -> None:
        """Read what is new."""
        end = self.mask.shape[1]
        positions = torch.arange(end - self.new.shape[1], end, device=self.new.device)[None]
        out = self.model.model.encoder(
            input_ids=self.new,
            attention_mask=self.mask,
            past_key_values=self.cache,
            position_ids=positions,
        )
        self.cache = out.past_key_values

    def logits(self, canvas_BC: Tensor, previous_BCV: Tensor | None) -> Tensor:
        """[B, C, V] what the decoder says about a canvas after the text."""
        end, length = self.mask.shape[1], canvas_BC.shape[1]
        seen = torch.cat([self.mask, torch.ones_like(canvas_BC, dtype=torch.bool)], 1)
        return self.model(
            decoder_input_ids=canvas_BC,
            self_conditioning_logits=previous_BCV,
            decoder_attention_mask=None if bool(seen.all()) else seen,
            past_key_values=self.cache,
            decoder_position_ids=torch.arange(end, end + length, device=canvas_BC.device)[None],
        ).logits


@torch.no_grad()
def canvas_steps(
    encoder: Encoder,
    block: int,
    options: CanvasOptions,
    generator: torch.Generator,
    suppress: tuple[int, ...] = (),
) -> Iterator[CanvasStep]:
    """Refine one canvas after the text that `encoder` has read; tokens of `suppress` are never written. Draws
    on `generator`'s device, which must be the model's."""
    text_config = encoder.model.config.text_config
    rows, length = len(encoder.mask), encoder.model.config.canvas_length
    vocabulary = text_config.vocab_size

    def noise() -> Tensor:
        size = (rows, length)
        return torch.randint(vocabulary, size, generator=generator, device=encoder.mask.device)

    canvas = noise()
    best, previous = canvas, None
    done = torch.zeros(rows, dtype=torch.bool, device=canvas.device)
    history: list[Tensor] = []
    for left in range(options.max_denoising_steps, 0, -1):
        # 1. The model's prediction, sharper from step to step.
        part = torch.tensor(left, dtype=torch.int32, device=canvas.device) / options.max_denoising_steps
        logits = encoder.logits(canvas, previous)
        logits[..., list(suppress)] = -torch.inf
        logits = logits / (options.t_min + (options.t_max - options.t_min) * part)
        chances = logits.softmax(-1, dtype=torch.float32)
        drawn = torch.multinomial(chances.view(-1, vocabulary), 1, generator=generator).view(rows, length)
        likeliest = logits.argmax(-1)
        # 2. Accept the surest tokens, draw all others anew.
        entropy = Categorical(logits=logits).entropy()
        accepted = within_bound(entropy, options.entropy_bound)
        after = torch.where(accepted, drawn, noise())
        # 3. Rows that were done stay as they are.
        running = ~done
        if bool(done.any()):
            likeliest = torch.where(done[:, None], best, likeliest)
            after = torch.where(done[:, None], canvas, after)
            logits = torch.where(done[:, None, None], previous, logits)
        # 4. Done where nothing changes any more and the model is sure.
        done = done | is_done(likeliest, logits, history, options)
        history.append(likeliest)
        last = bool(done.all()) or left == 1
        yield CanvasStep(block, canvas, after, accepted, likeliest, chances, entropy, running, last)
        if last:
            return
        canvas, best = after, likeliest
        previous = logits.to(encoder.model.model.decoder.embed_tokens.weight.dtype)


def within_bound(entropy_BC: Tensor, bound: float) -> Tensor:
    """[B, C] bool: as many of the surest tokens as have `bound` nats together, the last one not counted. So
    there is always one."""
    ordered, order = entropy_BC.sort(-1)
    kept = ordered.cumsum(-1) - ordered <= bound
    return torch.zeros_like(kept).scatter(-1, order, kept)


def is_done(best_BC: Tensor, logits_BCV: Tensor, history: list[Tensor], options: CanvasOptions) -> Tensor:
    """[B] bool: the likeliest tokens are those of the last steps, and their mean entropy is low."""
    wanted = options.stability_threshold
    stable = torch.full((len(best_BC),), len(history) >= wanted, device=best_BC.device)
    for earlier in history[len(history) - wanted :] if wanted and len(history) >= wanted else []:
        stable &= (earlier == best_BC).all(-1)
    return stable & (Categorical(logits=logits_BCV).entropy().mean(-1) < options.confidence_threshold)


def denoise(model: torch.nn.Module, start: Start, options: CanvasOptions) -> Iterator[Step]:
    """Fill the masks at the end of the canvases `start.ids`, a canvas of the model's length after the other.

    While a canvas is being refined its accepted tokens are shown and its noise as masks, for noise is nothing
    that the model wrote; with the last step all of it is its likeliest text. After the end of a row's text
    comes the padding token. What goes beyond the end of `start.ids` is left out. The encoder's passes are not
    counted.
    Raises: SpecError where masks stand elsewhere.
    """
    written = columns_to_write(start)
    never = (start.mask_id, *start.suppress)  # a written mask token would look like a place to write
    generator = _on(start.ids.device, start.draws.generator)
    encoder = Encoder(model, start.ids[:, : written.start], _upto(start.attention_mask, written.start))
    ids = start.ids
    over = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)  # rows whose text has ended
    nfe, length = 0, model.config.canvas_length
    for block, at in enumerate(range(written.start, written.stop, length)):
        with torch.no_grad():
            encoder.read()
        now = torch.full((len(ids), length), start.mask_id, device=ids.device)
        padded = torch.zeros_like(now, dtype=torch.bool)
        for step in canvas_steps(encoder, block, options, generator, never):
            noisy = step.after.masked_fill(~step.accepted, start.mask_id)
            now = torch.where((step.running & ~over)[:, None], noisy, now)
            if step.last:
                now, padded = ended_text(model, start, step.best, over)
            shown = shown_step(start, ids, step, at, now, padded)
            nfe, ids = nfe + 1, shown.ids
            yield replace(shown, index=nfe - 1, nfe=nfe)
        over = over | torch.isin(now, ends(model, start)).any(1)
        if bool(over.all()):
            yield from closed(model, start, ids, block, nfe)
            return
        encoder.append(now)


def columns_to_write(start: Start) -> slice:
    """The masked columns at the end. Raises: SpecError where masks stand elsewhere."""
    masked = start.ids == start.mask_id
    first = int(masked.int().argmax(1)[0]) if bool(masked.any()) else start.ids.shape[1]
    if bool((masked != (torch.arange(masked.shape[1], device=masked.device) >= first)).any()) or first == 0:
        raise SpecError(
            "This model writes after a prompt only: it cannot fill gaps between given words, nor begin with "
            "nothing."
        )
    return slice(first, start.ids.shape[1])


def ends(model: torch.nn.Module, start: Start) -> Tensor:
    """The tokens that end a text: the model's own and the tokenizer's."""
    own = model.generation_config.eos_token_id
    found = {start.eos_id, start.eot_id, *(own if isinstance(own, list) else [own])} - {None}
    return torch.tensor(sorted(found), device=start.ids.device, dtype=start.ids.dtype)


def padding_id(model: torch.nn.Module, start: Start) -> int:
    """What comes after the end of a text."""
    own = model.generation_config.pad_token_id
    known = own if own is not None else model.config.text_config.pad_token_id
    return known if known is not None else int(start.eos_id or 0)


def ended_text(
    model: torch.nn.Module, start: Start, text_BC: Tensor, over_B: Tensor
) -> tuple[Tensor, Tensor]:
    """(a canvas's text with padding after its first end token and all over in rows that had ended before
    [B, C], where that padding is [B, C] bool)."""
    is_end = torch.isin(text_BC, ends(model, start))
    padded = (is_end.cumsum(1) - is_end.int() > 0) | over_B[:, None]
    return text_BC.masked_fill(padded, padding_id(model, start)), padded


def shown_step(start: Start, ids: Tensor, step: CanvasStep, at: int, now: Tensor, padded: Tensor) -> Step:
    """The step that turns the columns of `ids` [B, L] from `at` on into `now` [B, C]; what is `padded` there
    is not the model's."""
    before = ids[:, at : at + step.after.shape[1]]
    width = before.shape[1]
    now, padded, chances = now[:, :width], padded[:, :width], step.probability[:, :width]
    changed, masked = now != before, now == start.mask_id
    written = changed & ~masked & ~padded
    chance = torch.where(written, chances.gather(-1, now[..., None])[..., 0], 0.0)

    def wide(part: Tensor) -> Tensor:
        return torch.zeros(ids.shape, dtype=part.dtype, device=ids.device).index_copy(
            1, torch.arange(at, at + width, device=ids.device), part
        )

    details = {}
    if start.want_details:
        top = chances[written].topk(min(CANDIDATES, chances.shape[-1]))
        details = {"candidate_ids": top.indices, "candidate_probability": top.values}
        details["entropy"] = step.entropy.mean(1)
    return Step(
        torch.cat([ids[:, :at], now, ids[:, at + width :]], 1),
        wide(written & (before == start.mask_id)),
        wide(chance),
        step.block,
        edited=wide(written & (before != start.mask_id)),
        remasked=wide(changed & masked),
        closed=wide(changed & padded),
        **details,
    )


def closed(model: torch.nn.Module, start: Start, ids: Tensor, block: int, nfe: int) -> Iterator[Step]:
    """The step that fills the masks left after the end of all texts, if there are any."""
    left = ids == start.mask_id
    if bool(left.any()):
        none = torch.zeros_like(left)
        after = ids.masked_fill(left, padding_id(model, start))
        yield Step(after, none, none.float(), block, closed=left, index=nfe, nfe=nfe)


def _upto(mask: Tensor | None, end: int) -> Tensor | None:
    return None if mask is None else mask[:, :end]


def _on(device: torch.device, generator: torch.Generator | None) -> torch.Generator:
    """A generator on the model's device, for whole vocabularies are drawn from: the one given, or one that
    begins from it."""
    if generator is not None and generator.device.type == device.type:
        return generator
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.Generator(device).manual_seed(seed)
