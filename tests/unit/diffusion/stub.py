"""A model that says what a test chooses, and a sampler driven by hand."""

from collections.abc import Callable

from torch import Tensor

from jobs.diffusion.samplers import Forward, Sampling, Step

Model = Callable[[Tensor], Tensor]
"""ids [B, L] -> logits [B, L, V]."""


def always(probability_LV: Tensor) -> Model:
    """A model that says the same of every row, whatever it reads."""
    return lambda ids: probability_LV.log().expand(len(ids), -1, -1).clone()


def drive(sampler: Sampling, model: Model) -> tuple[list[Step], list[Forward]]:
    """The sampler's steps and the passes that it asked for, each answered by `model`."""
    steps, forwards = [], []
    said = next(sampler, None)
    while said is not None:
        answer = None
        if isinstance(said, Forward):
            forwards.append(said)
            answer = model(said.ids)[:, said.at]
        else:
            steps.append(said)
        try:
            said = next(sampler) if answer is None else sampler.send(answer)
        except StopIteration:
            said = None
    return steps, forwards
