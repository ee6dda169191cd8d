"""The samplers. SAMPLERS names each one; its options are in jobs.specs.samplers.

To add one: a file with a generator `sample(start, options)` (see base), its options in a file of
jobs/specs/samplers, and its name in both dicts.
"""

from collections.abc import Callable

from jobs.diffusion.samplers import (
    ar,
    bd3lm,
    diffullama,
    diffusion_gemma,
    dinfer,
    dllm_bd3lm,
    dllm_mdlm,
    dream,
    fast_dllm,
    fast_dllm_dream,
    llada,
    llada2,
    local_leap,
    mdlm,
    remdm,
    sdar,
    sedd,
)
from jobs.diffusion.samplers.base import Draws, Forward, Own, Sampling, Start, Step

SAMPLERS: dict[str, Callable[..., Sampling]] = {
    "ar": ar.sample,
    "bd3lm": bd3lm.sample,
    "diffullama": diffullama.sample,
    "diffusion_gemma": diffusion_gemma.sample,
    "dinfer": dinfer.sample,
    "dllm_bd3lm": dllm_bd3lm.sample,
    "dllm_mdlm": dllm_mdlm.sample,
    "dream": dream.sample,
    "fast_dllm": fast_dllm.sample,
    "fast_dllm_dream": fast_dllm_dream.sample,
    "llada": llada.sample,
    "llada2": llada2.sample,
    "llada21": llada2.sample_editing,
    "local_leap": local_leap.sample,
    "mdlm": mdlm.sample,
    "remdm": remdm.sample,
    "sdar": sdar.sample,
    "sedd": sedd.sample,
}

__all__ = ["SAMPLERS", "Draws", "Forward", "Own", "Sampling", "Start", "Step"]
