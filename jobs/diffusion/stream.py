"""From a sampler's steps to the lines of jobs.protocol.trajectory; one trajectory is one canvas row."""

import math
import time
from typing import Any

from torch import Tensor

from jobs.diffusion.samplers.base import Step
from jobs.diffusion.text import Tokenizer, token_text, token_texts, until_eos
from jobs.protocol.trajectory import CLOSED, EDITED, REMASKED, REVEALED, VERSION
from jobs.specs.diffusion_config import DiffusionConfig

PROBABILITY_DIGITS = 4


class Trajectory:
    """Builds the lines of one request: `start()`, `step(...)` for every Step, then `end(...)`.

    `row` is the request's row in the batch; positions in the lines count from `offset`, the number of padding
    tokens on the row's left, so padding never shows. `prompt_length` counts tokens after that offset.
    `completes`: the text is what comes after the prompt, up to its end token; None: where nothing but masks
    does. `at_least`: an end token before this position does not end the text. `parent`: where it branched
    off. `pictures`: the files that its image tokens stand for.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        config: DiffusionConfig,
        ids: Tensor,
        *,
        request: str,
        model: str,
        sampler: dict[str, Any],
        seed: int,
        prompt: str,
        prompt_length: int,
        row: int = 0,
        offset: int = 0,
        eot_id: int | None = None,
        completes: bool | None = None,
        at_least: int = 0,
        parent: dict[str, Any] | None = None,
        pictures: list[str] | None = None,
    ):
        self.tokenizer, self.config = tokenizer, config
        self.row, self.offset = row, offset
        self.ends = (tokenizer.eos_token_id, eot_id)
        self.ids: list[int] = ids[row, offset:].tolist()
        self.first = list(self.ids)
        self.prompt_length = prompt_length
        only_masks = all(token == config.mask_token_id for token in self.first[prompt_length:])
        self.completes = only_masks if completes is None else completes
        self.at_least = max(at_least, prompt_length)
        self.head = {"request": request, "model": model, "sampler": sampler, "seed": seed, "prompt": prompt}
        self.parent = parent
        self.pictures = pictures or []
        self.nfe = 0
        self.began = time.perf_counter()

    def start(self) -> dict[str, Any]:
        """The start line. The clock starts here."""
        mask = self.config.mask_token_id
        self.began = time.perf_counter()
        return {
            "type": "start",
            "version": VERSION,
            **self.head,
            "family": self.config.family,
            "mask_id": mask,
            "length": len(self.ids),
            "prompt_length": self.prompt_length,
            "completes": self.completes,
            "at_least": self.at_least,
            "parent": self.parent,
            "pictures": self.pictures,
            "grid": self.config.grid.model_dump(mode="json") if self.config.grid else None,
            "ids": self.first,
            "texts": self._texts(),
            "given": [position for position, token in enumerate(self.first) if token != mask],
        }

    def step(self, step: Step) -> dict[str, Any] | None:
        """The line of one step, or None if this row was not touched in it."""
        self.nfe = step.nfe
        events = self._events(step)
        if not events:
            return None
        at = sorted(events)
        tokens = step.ids[self.row, at].tolist()
        chances = step.probability[self.row, at].tolist()
        candidates = self._candidates(step)
        mask = self.config.mask_token_id
        unsure = self._unsure(step)
        deltas = []
        for position, token, probability in zip(at, tokens, chances, strict=True):
            self.ids[position - self.offset] = token
            text = "" if token == mask else token_text(self.tokenizer, token)
            shown = round(probability, PROBABILITY_DIGITS)
            others = candidates.get(position, [])
            known = [unsure[position]] if position in unsure else []
            deltas.append([position - self.offset, token, text, shown, events[position], others, *known])
        return {
            "type": "step",
            "step": step.index,
            "nfe": step.nfe,
            "seconds": self._seconds(),
            "block": step.block,
            "deltas": deltas,
            "masked": self.ids.count(mask),
            "entropy": self._entropy(step),
        }

    def end(self, reason: str = "finished", error: str | None = None) -> dict[str, Any]:
        """The end line; `reason` is finished, cancelled or error."""
        return {
            "type": "end",
            "reason": reason,
            "nfe": self.nfe,
            "seconds": self._seconds(),
            "text": self.answer(),
            "texts": self._texts(),
            "error": error,
        }

    def answer(self) -> str:
        """What the model wrote: of a completion the part after the prompt, up to its end token; where masks
        stood between given words, the whole text. Masks still there are left out, of a grid shown as `.`."""
        ids = self.ids
        if self.config.task == "grid":  # cell by cell, so that nothing moves
            return "".join(text or "." for text in self._texts())
        if self.completes:
            ids = ids[self.prompt_length : self.at_least] + until_eos(ids[self.at_least :], self.ends)
        readable = [token for token in ids if token != self.config.mask_token_id]
        return self.tokenizer.decode(readable, skip_special_tokens=True)

    def _texts(self) -> list[str]:
        mask = self.config.mask_token_id
        texts: list[str] = []
        run: list[int] = []  # decoded together, so that split characters meet; a mask ends a run
        for token in [*self.ids, mask]:
            if token != mask:
                run.append(token)
                continue
            texts += [*token_texts(self.tokenizer, run), ""]
            run = []
        return texts[:-1]

    def _events(self, step: Step) -> dict[int, str]:
        """Column -> what happened there in this row."""
        kinds = {REVEALED: step.revealed, EDITED: step.edited, REMASKED: step.remasked, CLOSED: step.closed}
        return {
            column: event
            for event, where in kinds.items()
            if where is not None
            for column in where[self.row].nonzero().flatten().tolist()
        }

    def _candidates(self, step: Step) -> dict[int, list[list[Any]]]:
        """Column -> the likeliest tokens there and their probabilities."""
        if step.candidate_ids is None or step.candidate_probability is None:
            return {}
        written = step.written
        at = written[self.row].nonzero().flatten().tolist()
        before = int(written[: self.row].sum())  # candidates lie in row-major order of `written`
        ids = step.candidate_ids[before : before + len(at)].tolist()
        chances = step.candidate_probability[before : before + len(at)].tolist()
        return {
            column: [
                [token_text(self.tokenizer, token), round(chance, PROBABILITY_DIGITS)]
                for token, chance in zip(*pair, strict=True)
            ]
            for column, *pair in zip(at, ids, chances, strict=True)
        }

    def _unsure(self, step: Step) -> dict[int, float]:
        """Column -> entropy in nats of what the model said where it wrote."""
        if step.written_entropy is None:
            return {}
        at = step.written[self.row].nonzero().flatten().tolist()
        before = int(step.written[: self.row].sum())
        values = step.written_entropy[before : before + len(at)].tolist()
        return {column: round(value, PROBABILITY_DIGITS) for column, value in zip(at, values, strict=True)}

    def _entropy(self, step: Step) -> float | None:
        if step.entropy is None:
            return None
        value = float(step.entropy[self.row])
        return round(value, PROBABILITY_DIGITS) if math.isfinite(value) else None

    def _seconds(self) -> float:
        return round(time.perf_counter() - self.began, 4)
