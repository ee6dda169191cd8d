"""The samplers. SAMPLERS names each one; its options are in jobs.specs.sampler.

To add one: a file with a function of `llada.sample`'s shape that yields base.Step, its options in
jobs/specs/sampler.py, and its name in both dicts.
"""

from collections.abc import Callable, Iterator

from jobs.diffusion.samplers import llada
from jobs.diffusion.samplers.base import Draws, Step

SAMPLERS: dict[str, Callable[..., Iterator[Step]]] = {"llada": llada.sample}

__all__ = ["SAMPLERS", "Draws", "Step"]
