"""The samplers' options, a file a sampler. SAMPLERS is the list of names."""

from typing import Annotated

from pydantic import Field

from jobs.specs.base import Spec
from jobs.specs.samplers.base import SamplerOptions
from jobs.specs.samplers.dllm_mdlm import DllmMDLMSampler
from jobs.specs.samplers.fast_dllm import FastDLLMSampler
from jobs.specs.samplers.llada import LLaDASampler

SamplerSpec = Annotated[
    DllmMDLMSampler | FastDLLMSampler | LLaDASampler,
    Field(discriminator="name"),
]

SAMPLERS: dict[str, type[Spec]] = {
    "dllm_mdlm": DllmMDLMSampler,
    "fast_dllm": FastDLLMSampler,
    "llada": LLaDASampler,
}

__all__ = [
    "SAMPLERS",
    "DllmMDLMSampler",
    "FastDLLMSampler",
    "LLaDASampler",
    "SamplerOptions",
    "SamplerSpec",
]
