"""DiffusionGemma's own sampler, one denoising step at a time.

A canvas of random tokens after the text so far is refined until the model is sure: at each step it predicts
every token, those whose entropies together stay under a bound are accepted (Ben-Hamu et al. 2025, arXiv
2505.24857), and all others are drawn at random anew. The model also sees its previous prediction. A finished
canvas becomes text and the next one begins.

Read from transformers' DiffusionGemmaGenerationMixin.generate (5.23), which shows nothing of this on its way.
With the same seed the same tokens come out (tests/unit/diffusion/test_diffusion_gemma_sampler.py).

Shape suffixes: B rows, P positions of the text so far, C of a canvas, L of the whole, V vocabulary.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from jobs.diffusion.samplers.base import CANDIDATES, Own, Sampling, Start, Step, refuse_nan
from jobs.protocol.errors import SpecError
from jobs.specs.samplers import DiffusionGemmaSampler


def sample(start: Start, options: DiffusionGemmaSampler) -> Sampling:
    """Fill the masks at the end of the canvases `start.ids`, a canvas of the model's length after the other.

    While a canvas is being refined its accepted tokens are shown and its noise as masks, for noise is nothing
    that the model wrote; with the last step all of it is its likeliest text. After the end of a row's text
    comes the padding token. What goes beyond the end of `start.ids` is left out. Reading the text so far is
    not counted as a pass.
    Raises: SpecError where masks stand elsewhere.
    """
    written = columns_to_write(start)
    never = (start.mask_id, *start.suppress)  # a written mask token would look like a place to write
    generator = start.draws.on(start.ids.device)
    ids, block = start.ids, -1
    facts: Facts = yield Own(partial(Facts.of, start=start), ids, written, passes=0)
    encoder = Encoder(ids[:, : written[0]], start.attention_mask)
    over = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)  # rows whose text has ended
    for block, columns in enumerate(written.split(facts.canvas_length)):
        yield Own(encoder.read, ids, columns, passes=0)
        refining = Refining(facts, len(ids), options, generator, never)
        now = torch.full_like(refining.canvas, start.mask_id)
        padded = torch.zeros_like(now, dtype=torch.bool)
        while not refining.ended:
            look = partial(encoder.logits, canvas_BC=refining.canvas, previous_BCV=refining.previous)
            step = refining.step((yield Own(look, ids, columns)))
            noisy = step.after.masked_fill(~step.accepted, start.mask_id)
            now = torch.where((step.running & ~over)[:, None], noisy, now)
            if refining.ended:
                now, padded = ended_text(facts, step.best, over)
            shown = shown_step(start, ids, step, columns, now, padded, block)
            ids = shown.ids
            yield shown
        over = over | torch.isin(now, facts.ends).any(1)
        if bool(over.all()):
            break
        encoder.append(now)
    left = ids == start.mask_id  # after the end of all texts
    if bool(left.any()):
        none = torch.zeros_like(left)
        yield Step(ids.masked_fill(left, facts.padding_id), none, none.float(), block, closed=left)


def columns_to_write(start: Start) -> Tensor:
    """[W] the masked columns at the end. Raises: SpecError where masks stand elsewhere."""
    masked = start.masked(start.ids)
    first = int(masked.int().argmax(1)[0]) if bool(masked.any()) else start.ids.shape[1]
    columns = torch.arange(start.ids.shape[1], device=masked.device)
    begins_with_nothing = bool(start.padding[:, :first].all(1).any())
    if begins_with_nothing or bool((masked != (columns >= first)).any()):
        raise SpecError(
            "This model writes after a prompt only: it cannot fill gaps between given words, nor begin with "
            "nothing."
        )
    return columns[first:]


@dataclass(frozen=True)
class Facts:
    """What is to know of the model."""

    canvas_length: int
    vocabulary: int
    dtype: torch.dtype
    """That of its embeddings, in which it takes its previous prediction."""
    ends: Tensor
    """The tokens that end a text: the model's own and the tokenizer's."""
    padding_id: int
    """What comes after the end of a text."""

    @classmethod
    def of(cls, model: nn.Module, start: Start) -> "Facts":
        text, own = model.config.text_config, model.generation_config
        named = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
        ends = sorted({start.eos_id, start.eot_id, *named} - {None})
        padding = own.pad_token_id if own.pad_token_id is not None else text.pad_token_id
        return cls(
            model.config.canvas_length,
            text.vocab_size,
            model.get_input_embeddings().weight.dtype,
            torch.tensor(ends, device=start.ids.device, dtype=start.ids.dtype),
            padding if padding is not None else int(start.eos_id or 0),
        )


@dataclass(frozen=True)
class CanvasStep:
    """One denoising step of one canvas."""

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


class Encoder:
    """The text so far, read into the model's cache canvas by canvas."""

    def __init__(self, ids_BP: Tensor, attention_mask_BL: Tensor | None):
        self.new = ids_BP
        kept = torch.ones_like(ids_BP) if attention_mask_BL is None else attention_mask_BL
        self.mask = kept[:, : ids_BP.shape[1]].bool()
        self.cache: Any = None

    def append(self, canvas_BC: Tensor) -> None:
        """The canvas is text now."""
        self.new = canvas_BC
        self.mask = torch.cat([self.mask, torch.ones_like(canvas_BC, dtype=torch.bool)], 1)

    def read(self, model: nn.Module) -> None:
        """Have the model read what is new."""
        end = self.mask.shape[1]
        positions = torch.arange(end - self.new.shape[1], end, device=self.new.device)[None]
        out = model.model.encoder(
            input_ids=self.new,
            attention_mask=self.mask,
            past_key_values=self.cache,
            position_ids=positions,
        )
        self.cache = out.past_key_values

    def logits(self, model: nn.Module, canvas_BC: Tensor, previous_BCV: Tensor | None) -> Tensor:
        """[B, C, V] what the decoder says about a canvas after the text."""
        end, length = self.mask.shape[1], canvas_BC.shape[1]
        seen = torch.cat([self.mask, torch.ones_like(canvas_BC, dtype=torch.bool)], 1)
        return model(
            decoder_input_ids=canvas_BC,
            self_conditioning_logits=previous_BCV,
            decoder_attention_mask=None if bool(seen.all()) else seen,
            past_key_values=self.cache,
            decoder_position_ids=torch.arange(end, end + length, device=canvas_BC.device)[None],
        ).logits


class Refining:
    """One canvas at work, all rows of it. Draws on `generator`'s device, which must be the model's."""

    def __init__(
        self,
        facts: Facts,
        rows: int,
        options: DiffusionGemmaSampler,
        generator: torch.Generator,
        suppress: tuple[int, ...] = (),
    ):
        """Tokens of `suppress` are never written."""
        self.facts = facts
        self.options = options
        self.suppress = list(suppress)
        self.generator = generator
        self.size = (rows, facts.canvas_length)
        self.canvas = self._noise()
        """[B, C] what the model is to see next."""
        self.previous: Tensor | None = None
        """[B, C, V] what it said last."""
        self.best = self.canvas
        self.done = torch.zeros(rows, dtype=torch.bool, device=self.canvas.device)
        self.history: list[Tensor] = []

    @property
    def ended(self) -> bool:
        return bool(self.done.all()) or len(self.history) == self.options.steps

    def step(self, logits_BCV: Tensor) -> CanvasStep:
        """Refine the canvas by what the model says about it, which is written to."""
        options, canvas = self.options, self.canvas
        # 1. The model's prediction, sharper from step to step.
        left = torch.tensor(options.steps - len(self.history), dtype=torch.int32, device=canvas.device)
        logits_BCV[..., self.suppress] = -torch.inf
        logits = logits_BCV / (options.t_min + (options.t_max - options.t_min) * (left / options.steps))
        chances = logits.softmax(-1, dtype=torch.float32)
        refuse_nan(chances)
        drawn = torch.multinomial(chances.flatten(0, 1), 1, generator=self.generator).view(self.size)
        likeliest = logits.argmax(-1)
        # 2. Accept the surest tokens, draw all others anew.
        entropy = Categorical(logits=logits).entropy()
        accepted = within_bound(entropy, options.entropy_bound)
        after = torch.where(accepted, drawn, self._noise())
        # 3. Rows that were done stay as they are.
        running = ~self.done
        if bool(self.done.any()):
            likeliest = torch.where(self.done[:, None], self.best, likeliest)
            after = torch.where(self.done[:, None], canvas, after)
            logits = torch.where(self.done[:, None, None], self.previous, logits)
        # 4. Done where nothing changes any more and the model is sure.
        self.done = self.done | is_done(likeliest, logits, self.history, options)
        self.history.append(likeliest)
        self.canvas, self.best, self.previous = after, likeliest, logits.to(self.facts.dtype)
        return CanvasStep(canvas, after, accepted, likeliest, chances, entropy, running)

    def _noise(self) -> Tensor:
        device = self.generator.device
        return torch.randint(self.facts.vocabulary, self.size, generator=self.generator, device=device)


def within_bound(entropy_BC: Tensor, bound: float) -> Tensor:
    """[B, C] bool: as many of the surest tokens as have `bound` nats together, the last one not counted. So
    there is always one."""
    ordered, order = entropy_BC.sort(-1)
    kept = ordered.cumsum(-1) - ordered <= bound
    return torch.zeros_like(kept).scatter(-1, order, kept)


def is_done(
    best_BC: Tensor, logits_BCV: Tensor, history: list[Tensor], options: DiffusionGemmaSampler
) -> Tensor:
    """[B] bool: the likeliest tokens are those of the last steps, and their mean entropy is low."""
    wanted = options.stability_threshold
    stable = torch.full((len(best_BC),), len(history) >= wanted, device=best_BC.device)
    for earlier in history[len(history) - wanted :] if wanted and len(history) >= wanted else []:
        stable &= (earlier == best_BC).all(-1)
    return stable & (Categorical(logits=logits_BCV).entropy().mean(-1) < options.confidence_threshold)


def ended_text(facts: Facts, text_BC: Tensor, over_B: Tensor) -> tuple[Tensor, Tensor]:
    """(a canvas's text with padding after its first end token and all over in rows that had ended before
    [B, C], where that padding is [B, C] bool)."""
    is_end = torch.isin(text_BC, facts.ends)
    padded = (is_end.cumsum(1) - is_end.int() > 0) | over_B[:, None]
    return text_BC.masked_fill(padded, facts.padding_id), padded


def shown_step(
    start: Start, ids: Tensor, step: CanvasStep, columns: Tensor, now: Tensor, padded: Tensor, block: int
) -> Step:
    """The step that turns the `columns` of `ids` [B, L] into `now` [B, C], or as much of it as there are
    columns; what is `padded` there is not the model's."""
    before, width = ids[:, columns], len(columns)
    now, padded, chances = now[:, :width], padded[:, :width], step.probability[:, :width]
    changed, masked = now != before, now == start.mask_id
    written = changed & ~masked & ~padded
    chance = torch.where(written, chances.gather(-1, now[..., None])[..., 0], 0.0)

    def wide(part: Tensor) -> Tensor:
        whole = torch.zeros(ids.shape, dtype=part.dtype, device=ids.device)
        return whole.index_copy(1, columns, part)

    details: dict[str, Any] = {}
    if start.want_details:
        top = chances[written].topk(min(CANDIDATES, chances.shape[-1]))
        details = {"candidate_ids": top.indices, "candidate_probability": top.values}
        details["entropy"] = step.entropy.mean(1)
    return Step(
        ids.index_copy(1, columns, now),
        wide(written & (before == start.mask_id)),
        wide(chance),
        block,
        edited=wide(written & (before != start.mask_id)),
        remasked=wide(changed & masked),
        closed=wide(changed & padded),
        **details,
    )
