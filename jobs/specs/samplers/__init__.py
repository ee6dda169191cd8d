"""The samplers' options, a file a sampler. SAMPLERS is the list of names."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from jobs.specs.samplers.ar import ARSampler
from jobs.specs.samplers.base import SamplerOptions
from jobs.specs.samplers.bd3lm import BD3LMSampler
from jobs.specs.samplers.diffullama import DiffuLLaMASampler
from jobs.specs.samplers.diffusion_gemma import DiffusionGemmaSampler
from jobs.specs.samplers.dinfer import DInferSampler
from jobs.specs.samplers.dllm_bd3lm import DllmBD3LMSampler
from jobs.specs.samplers.dllm_mdlm import DllmMDLMSampler
from jobs.specs.samplers.dream import DreamSampler
from jobs.specs.samplers.fast_dllm import FastDLLMSampler
from jobs.specs.samplers.fast_dllm_dream import FastDLLMDreamSampler
from jobs.specs.samplers.llada import LLaDASampler
from jobs.specs.samplers.llada2 import LLaDA2Sampler, LLaDA21Sampler
from jobs.specs.samplers.local_leap import LocalLeapSampler
from jobs.specs.samplers.mdlm import MDLMSampler
from jobs.specs.samplers.remdm import ReMDMSampler
from jobs.specs.samplers.sdar import SDARSampler
from jobs.specs.samplers.sedd import SEDDSampler

DEFAULT = "llada"  # the sampler of settings that name none


def _named(given: Any) -> Any:
    return {"name": DEFAULT, **given} if isinstance(given, dict) else given


SamplerSpec = Annotated[
    ARSampler
    | BD3LMSampler
    | DInferSampler
    | DiffuLLaMASampler
    | DiffusionGemmaSampler
    | DllmBD3LMSampler
    | DllmMDLMSampler
    | DreamSampler
    | FastDLLMDreamSampler
    | FastDLLMSampler
    | LLaDA21Sampler
    | LLaDA2Sampler
    | LLaDASampler
    | LocalLeapSampler
    | MDLMSampler
    | ReMDMSampler
    | SDARSampler
    | SEDDSampler,
    Field(discriminator="name"),
    BeforeValidator(_named),
]

SAMPLERS: dict[str, type[SamplerOptions]] = {
    "ar": ARSampler,
    "bd3lm": BD3LMSampler,
    "diffullama": DiffuLLaMASampler,
    "diffusion_gemma": DiffusionGemmaSampler,
    "dinfer": DInferSampler,
    "dllm_bd3lm": DllmBD3LMSampler,
    "dllm_mdlm": DllmMDLMSampler,
    "dream": DreamSampler,
    "fast_dllm": FastDLLMSampler,
    "fast_dllm_dream": FastDLLMDreamSampler,
    "llada": LLaDASampler,
    "llada2": LLaDA2Sampler,
    "llada21": LLaDA21Sampler,
    "local_leap": LocalLeapSampler,
    "mdlm": MDLMSampler,
    "remdm": ReMDMSampler,
    "sdar": SDARSampler,
    "sedd": SEDDSampler,
}

__all__ = [
    "SAMPLERS",
    "ARSampler",
    "BD3LMSampler",
    "DInferSampler",
    "DiffuLLaMASampler",
    "DiffusionGemmaSampler",
    "DllmBD3LMSampler",
    "DllmMDLMSampler",
    "DreamSampler",
    "FastDLLMDreamSampler",
    "FastDLLMSampler",
    "LLaDA2Sampler",
    "LLaDA21Sampler",
    "LLaDASampler",
    "LocalLeapSampler",
    "MDLMSampler",
    "ReMDMSampler",
    "SDARSampler",
    "SEDDSampler",
    "SamplerOptions",
    "SamplerSpec",
]
