"""The samplers' options, a file a sampler. SAMPLERS is the list of names."""

from jobs.specs.base import Spec
from jobs.specs.samplers.base import SamplerOptions
from jobs.specs.samplers.llada import LLaDASampler

SamplerSpec = LLaDASampler  # becomes a union, told apart by `name`, with the second sampler

SAMPLERS: dict[str, type[Spec]] = {"llada": LLaDASampler}

__all__ = ["SAMPLERS", "LLaDASampler", "SamplerOptions", "SamplerSpec"]
