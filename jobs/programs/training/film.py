"""A training's film strip: the same prompts unmasked again and again while the model learns."""

from collections.abc import Callable
from dataclasses import dataclass

from jobs.models.checkpoint import Checkpoint
from jobs.programs.asks import Ask, as_ask
from jobs.programs.generation import (
    as_tensors,
    begin,
    make_canvas,
    record,
    request_id,
    unmask,
)
from jobs.programs.process import Process
from jobs.programs.training.sequence_parallel import whole_texts
from jobs.protocol.errors import DataError, SpecError
from jobs.specs.samplers import SamplerSpec
from jobs.specs.samplers.presets import chosen


@dataclass
class Film:
    """Unmasks `asks` and writes a trajectory of each to samples/. Made before training, so that a prompt that
    does not fit is found at once."""

    process: Process
    asks: list[Ask]
    loaded: Checkpoint
    """The model in training, as the bare module."""
    sampler: SamplerSpec
    seed: int
    every_rank: bool
    """Split weights (FSDP, ZeRO stage 3): a forward pass is work that all ranks do together."""
    should_stop: Callable[[], bool]

    def __call__(self, step: int) -> None:
        """Unmask all prompts with the model as it is after `step` steps."""
        if not self.asks or not (self.every_rank or self.process.rank == 0):
            return
        training = self.loaded.model.training
        self.loaded.model.eval()
        self.process.run.samples.mkdir(exist_ok=True)
        with whole_texts():
            for number, ask in enumerate(self.asks):
                if self.should_stop():
                    break
                self._one(step, number, ask)
        self.loaded.model.train(training)

    def _one(self, step: int, number: int, ask: Ask) -> None:
        canvas = make_canvas(ask, self.loaded, self.sampler)
        ids, mask, _ = as_tensors([canvas], self.loaded)
        seed = self.seed + number
        steps = unmask(self.loaded, ids, mask, self.sampler, seed, self.should_stop)
        if self.process.rank != 0:
            for _ in steps:
                pass
            return
        request = request_id(self.process.run, f"step{step}-{number}")
        trajectory = begin(
            self.loaded,
            ask.shown,
            canvas,
            ids,
            self.sampler,
            request=request,
            model=str(self.process.run.model),
            seed=seed,
        )
        record(self.process.run.sample(request), trajectory, steps, self.should_stop)
        self.process.events.write("sample", step=step, prompt=ask.shown, request=request)


def make_film(process: Process, loaded: Checkpoint, conversations: bool) -> Film:
    """The film of `process.spec.report.prompts`.

    Raises: SpecError for a prompt that does not fit.
    """
    spec = process.spec
    sampler = chosen(loaded.config, spec.report.sampler)
    asks = [as_ask(prompt, loaded.config, conversations) for prompt in spec.report.prompts]
    for ask, prompt in zip(asks, spec.report.prompts, strict=True):
        try:
            make_canvas(ask, loaded, sampler)
        except (DataError, SpecError) as error:
            raise SpecError(f"report.prompts, {prompt!r}: {error}") from None
    split = spec.launcher.splits_weights
    stop = (lambda: False) if split else process.stop_requested  # ranks that work together stop together
    return Film(process, asks, loaded, sampler, spec.optimisation.seed, split, stop)
