"""The samplers' options, a file a sampler. SAMPLERS is the list of names."""

from typing import Annotated

from pydantic import Field

from jobs.specs.base import Spec
from jobs.specs.samplers.base import SamplerOptions
from jobs.specs.samplers.dllm_mdlm import DllmMDLMSampler
from jobs.specs.samplers.llada import LLaDASampler

SamplerSpec = Annotated[
    DllmMDLMSampler | LLaDASampler,
    Field(discriminator="name"),
]

SAMPLERS: dict[str, type[Spec]] = {
    "dllm_mdlm": DllmMDLMSampler,
    "llada": LLaDASampler,
}

__all__ = [
    "SAMPLERS",
    "DllmMDLMSampler",
    "LLaDASampler",
    "SamplerOptions",
    "SamplerSpec",
]
