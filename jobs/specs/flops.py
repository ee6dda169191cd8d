"""Floating-point operations of a model, by the usual count: two for each value that a token is multiplied
with, and the products of attention (Kaplan et al. 2020, arXiv 2001.08361, section 2.1; Chowdhery et al. 2022,
PaLM, arXiv 2204.02311, appendix B). Of a mixture, the experts that work on a token. Norms, softmax and
embeddings are left out. Nothing is halved for a causal mask: a dLLM has none.
"""

from typing import NamedTuple

from jobs.specs.estimate import positions, processes
from jobs.specs.job import TrainSpec
from jobs.specs.sizes import Sizes
from jobs.specs.tuning import TuningSpec


class Operations(NamedTuple):
    """Of one position in a forward pass."""

    layers: float
    """The matrices of all layers."""
    attention: float
    """Queries with keys, and weights with values; grows with the length."""
    vocabulary: float
    """The vocabulary matrix; in training, at masked positions only."""


def forward(sizes: Sizes, length: int) -> Operations:
    """One position among `length` that all see each other."""
    return Operations(
        layers=2.0 * (sizes.active - sizes.head),
        attention=4.0 * sizes.layers * length * sizes.heads * sizes.head_dim,
        vocabulary=2.0 * sizes.head,
    )


def passes(tuning: TuningSpec) -> int:
    """A step as so many forward passes: the backward pass counts twice, or once where hardly any weights are
    trained, for then only the inputs have gradients. Checkpointing computes more, but no more that counts."""
    return 3 if tuning.method == "full" else 2


def counts(spec: TrainSpec, sizes: Sizes) -> dict[str, float]:
    """What a training needs, label and figure: per token and per step, for sequences of full length."""
    length = positions(spec)
    each = forward(sizes, length)
    copies = length / spec.data.max_length
    token = copies * sum(each)
    run = spec.optimisation
    rows = run.batch_size * run.gradient_accumulation * processes(spec) / spec.launcher.sequence_parallel
    tokens = rows * spec.data.max_length
    step = passes(spec.tuning) * token * tokens
    return {
        "values": sizes.values,
        "values at work on a token": sizes.active,
        "forward, a token": token,
        "of these in layers": copies * each.layers,
        "of these in attention": copies * each.attention,
        "of these in the vocabulary matrix": copies * each.vocabulary,
        "forward and backward, a token": passes(spec.tuning) * token,
        "tokens a step": tokens,
        "forward and backward, a step": step,
        "the whole training": step * run.steps,
    }
