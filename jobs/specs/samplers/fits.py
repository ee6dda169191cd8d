"""Which sampler fits which model, told before anything is queued or loaded."""

from typing import Protocol

from jobs.specs.diffusion_config import Noise
from jobs.specs.samplers import SAMPLERS
from jobs.specs.samplers.base import SamplerOptions

PREFERRED = ("llada", "llada2")  # to begin with, where they fit
CAUSAL = "ar-sft"  # what causal models are trained with


class Trained(Protocol):
    """What is to know of a model: a DiffusionConfig, or what the page knows."""

    @property
    def objective(self) -> str: ...
    @property
    def block_size(self) -> int | None: ...
    @property
    def noise(self) -> Noise: ...


def misfit(options: SamplerOptions, model: Trained) -> str | None:
    """Why the sampler with these options does not fit the model, and what to do; None: it fits."""
    if reason := _of_another_kind(type(options), model):
        name = options.name  # type: ignore[attr-defined]
        return f"The sampler {name} is not for this model: {reason}. Use {_words(fitting(model))}."
    size = getattr(options, "block_size", None)
    if options.attention == "blocks" and size not in (None, model.block_size):
        return (
            f"This model was trained in blocks of {model.block_size}, not of {size}: set block_size to "
            f"{model.block_size}, or leave it out."
        )
    return None


def fitting(model: Trained) -> list[str]:
    """The names of the samplers that fit the model, the one to begin with first."""
    names = [name for name, spec in SAMPLERS.items() if _of_another_kind(spec, model) is None]
    return sorted(names, key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))


def _of_another_kind(spec: type[SamplerOptions], model: Trained) -> str | None:
    """Why no settings of a sampler fit the model; None: some do."""
    if spec.noise != model.noise:
        shown = {"mask": "fills masks", "uniform": "refines random tokens"}
        return f"the sampler {shown[spec.noise]}, and the model {shown[model.noise]}"
    if spec.objective not in (None, model.objective):
        return f"the sampler is for models trained with {spec.objective}, this one was with {model.objective}"
    if model.objective == CAUSAL and spec.objective != CAUSAL:
        return "the sampler fills masks anywhere, and the model writes from left to right"
    if model.noise != "mask":
        return None
    if spec.attention == "full" and model.block_size is not None:
        return f"it reads blocks of {model.block_size} one after the other"
    if spec.attention == "blocks" and model.block_size is None:
        return (
            "the sampler fills blocks one after the other, and the model sees every position from every other"
        )
    return None


def _words(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "another model"
