"""Which sampler fits which model, told before anything is queued or loaded."""

from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import SAMPLERS
from jobs.specs.samplers.base import SamplerOptions

PREFERRED = ("llada", "llada2")  # to begin with, where they fit


def misfit(options: SamplerOptions, config: DiffusionConfig) -> str | None:
    """Why the sampler with these options does not fit the model, and what to do; None: it fits."""
    name, instead = options.name, _words(fitting(config))  # type: ignore[attr-defined]
    if reason := _of_another_kind(type(options), config):
        return f"The sampler {name} is not for this model: {reason}. Use {instead}."
    size = getattr(options, "block_size", None)
    if options.attention == "blocks" and size not in (None, config.block_size):
        return (
            f"This model was trained in blocks of {config.block_size}, not of {size}: set block_size to "
            f"{config.block_size}, or leave it out."
        )
    return None


def fitting(config: DiffusionConfig) -> list[str]:
    """The names of the samplers that fit the model, the one to begin with first."""
    names = [name for name, spec in SAMPLERS.items() if _of_another_kind(spec, config) is None]
    return sorted(names, key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))


def _of_another_kind(spec: type[SamplerOptions], config: DiffusionConfig) -> str | None:
    """Why no settings of a sampler fit the model; None: some do."""
    own = {other.objective for other in SAMPLERS.values() if other.objective}
    if spec.objective is not None and spec.objective != config.objective:
        return f"it is for models trained with {spec.objective}, and this one was with {config.objective}"
    if config.objective in own:
        if spec.objective == config.objective:
            return None
        return f"what a model trained with {config.objective} says is read by a sampler of its own"
    if spec.attention == "full" and config.block_size is not None:
        return f"this one reads blocks of {config.block_size} one after the other"
    if spec.attention == "blocks" and config.block_size is None:
        return "it fills blocks one after the other, and in this one every position sees every other"
    return None


def _words(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "another model"
