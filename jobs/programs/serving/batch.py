"""Requests at work on one model, side by side: each pass of the model moves many of them one step on."""

import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

import torch

from jobs.diffusion.samplers import Forward
from jobs.models.checkpoint import Checkpoint
from jobs.programs import device
from jobs.programs.generation import Generation, replies
from jobs.programs.process import classify
from jobs.programs.serving.requests import Request
from jobs.protocol.errors import StudioError

SHARE = 0.5  # of the free memory that a pass may take
MOST_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Of a pass. On a CPU nothing is gained by more (docs/lab-notes.md), and whoever cancels waits longer."""


@dataclass(eq=False)
class Work:
    """A request that has begun."""

    request: Request
    generation: Generation
    file: TextIO

    @property
    def asks(self) -> Forward | None:
        """The pass that it needs next; None while it is paused, and at its end."""
        return None if self.request.paused else self.generation.run.asks

    @property
    def moves(self) -> bool:
        """Whether there is anything to do for it now."""
        return self.asks is not None or self.generation.finished or self.request.cancelled.is_set()

    def end(self, reason: str, error: str | None = None) -> None:
        """The last line. A disk that takes no more must not take the server down."""
        with suppress(OSError):
            self.generation.end(reason, error)
        with suppress(OSError):
            self.file.close()


class Batch:
    """The requests at work on one loaded model."""

    def __init__(self, model: str, loaded: Checkpoint):
        self.model = model
        self.loaded = loaded
        self.denoiser = loaded.denoiser()
        self.works: deque[Work] = deque()
        self._most_tokens = MOST_TOKENS[next(loaded.model.parameters()).device.type]
        self._cost = Cost(loaded)
        self._size = device.parameters(loaded.model)

    @property
    def moves(self) -> bool:
        """Whether there is anything to do for anybody now."""
        return any(work.moves for work in self.works)

    def step(self, free_memory: float) -> list[Request]:
        """One forward pass for those that are due, as many as fit. Returns the requests that ended.

        Who was served goes to the end of the line: nobody waits for longer than one round.
        """
        # 1. Those that need no pass.
        ended = [work for work in self.works if work.request.cancelled.is_set()]
        for work in ended:
            work.end("cancelled")
        # 2. One pass.
        due = self._due(free_memory * SHARE, [work for work in self.works if work not in ended])
        ended += self._advance(due)
        # 3. Those that are done; who was served goes to the end of the line.
        self.works = deque([w for w in self.works if w not in due] + due)
        for work in self.works:
            if work not in ended and work.generation.finished:
                work.end("finished")
                ended.append(work)
        self.works = deque(work for work in self.works if work not in ended)
        return [work.request for work in ended]

    def _due(self, room: float, works: list[Work]) -> list[Work]:
        """The next in line whose canvases fit into one pass; one always does."""
        due: list[Work] = []
        rows = longest = logits = 0
        for work in works:
            if (asks := work.asks) is None:
                continue
            rows, longest = rows + len(asks.ids), max(longest, asks.ids.shape[1])
            logits += len(asks.ids) * len(asks.at)
            tokens = rows * longest
            if due and (tokens > self._most_tokens or self._cost(tokens, logits) > room):
                break
            due.append(work)
        return due

    def _advance(self, works: list[Work]) -> list[Work]:
        """Move all on; a fault of one ends that one only. Returns those that failed."""
        if not works:
            return []
        tokens = sum(work.asks.ids.numel() for work in works if work.asks is not None)
        device.use_threads_for(self._size, tokens)
        waiting = {work.generation: work for work in works}
        failed: list[Work] = []
        alone: list[Work] = []
        try:
            for generation, logits in replies(self.denoiser, list(waiting)):
                work = waiting.pop(generation)
                if self._failed(work, lambda run=generation.run, x=logits: run.answer(x)):
                    failed.append(work)
        except Exception as error:  # noqa: BLE001 - the pass itself failed
            alone = list(waiting.values())
            if len(works) == 1:
                _fail(works[0], error)
                failed, alone = works, []
        for work in alone:  # whose fault it was shows when each has a pass to itself
            failed += self._advance([work])
        for work in works:
            if work not in failed and self._failed(work, work.generation.tell):
                failed.append(work)
        return failed

    @staticmethod
    def _failed(work: Work, move: Callable[[], None]) -> bool:
        try:
            move()
        except Exception as error:  # noqa: BLE001 - one request's failure must not take the server down
            _fail(work, error)
            return True
        return False


def _fail(work: Work, error: Exception) -> None:
    work.end("error", explain(error))


def explain(error: Exception) -> str:
    """A failure as the person who asked is told of it; what is not meant for persons goes to the log too."""
    if isinstance(error, StudioError):
        return str(error)
    traceback.print_exception(error)
    failure, remedy = classify(error)
    if failure == "memory":
        remedy = "Lower max_new_tokens, or stop other jobs on this device."
    return f"{type(error).__name__}: {error} {remedy}".strip()


class Cost:
    """What a pass costs in memory, by a model's sizes."""

    def __init__(self, loaded: Checkpoint):
        config = loaded.model.config.get_text_config()
        hidden = getattr(config, "hidden_size", 0) or 0
        inner = getattr(config, "intermediate_size", None) or 4 * hidden
        width = torch.finfo(next(loaded.model.parameters()).dtype).bits // 8
        self.token = width * (8 * hidden + 3 * inner)  # a layer's inputs and outputs; the others are freed
        self.logit = width + 4  # the head's own, and in float32
        self.words = loaded.model.get_input_embeddings().weight.shape[0]

    def __call__(self, tokens: int, positions: int) -> float:
        """Bytes of a pass over so many tokens, with logits at so many positions."""
        return tokens * self.token + positions * self.words * self.logit
