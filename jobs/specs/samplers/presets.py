"""What the authors of a family recommend to sample it with, and why."""

from typing import Any

from jobs.protocol.errors import SpecError
from jobs.specs.base import Spec
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import DEFAULT, SAMPLERS
from jobs.specs.samplers.base import SamplerOptions
from jobs.specs.samplers.fits import CAUSAL, fitting, misfit


class Preset(Spec):
    """Settings to begin with."""

    settings: dict[str, Any]
    """Sampler settings, the name among them."""
    why: str
    """One sentence for the one who chooses."""


_LLADA = {"name": "llada", "steps": 128, "max_new_tokens": 128, "block_size": 32}
_DREAM = {"name": "dream", "steps": 128, "max_new_tokens": 128}
OWN = "What this model was tried with by the one who made it."
FITTING = "The first sampler that fits; nobody has recommended one."
_BLOCKS = "It was trained in blocks; one after the other is the only way to read it, and costs the least."

OF_CAUSAL = Preset(
    settings={"name": "ar", "max_new_tokens": 128},
    why="From left to right, the likeliest token each time, as generate() does unless told otherwise.",
)

PRESETS: dict[str, Preset] = {
    "llada": Preset(
        settings=_LLADA,
        why="Short blocks keep an Instruct model from ending its answer early (ML-GSAI/LLaDA EVAL.md).",
    ),
    "lladamoe": Preset(settings=_LLADA, why="Steps and blocks as on its model card."),
    "dream": Preset(settings=_DREAM, why="Entropy order with a little temperature, as its README has it."),
    "diffugpt": Preset(
        settings={"name": "diffullama", "temperature": 0.95},
        why="Random reveal at temperature 0.95, as in DiffuLLaMA's quick start.",
    ),
    "diffullama": Preset(
        settings={"name": "diffullama", "temperature": 0.9},
        why="Random reveal at temperature 0.9, as in DiffuLLaMA's quick start.",
    ),
    "llada2": Preset(settings={"name": "llada2", "max_new_tokens": 128}, why=_BLOCKS),
    "sdar": Preset(settings={"name": "sdar", "max_new_tokens": 128}, why=_BLOCKS),
    "stable_diffcoder": Preset(
        settings={
            "name": "sdar",
            "max_new_tokens": 128,
            "temperature": 0,
            "remasking": "low_confidence_static",
        },
        why="Blocks of 4, the surest token of each pass, as in its own code.",
    ),
    "efficient_dlm": Preset(
        settings={"name": "llada2", "max_new_tokens": 128, "threshold": 0.9, "temperature": 0.7},
        why="Threshold and temperature of its model card.",
    ),
    "mdlm": Preset(
        settings={"name": "mdlm", "max_new_tokens": 256},
        why="Its own ancestral sampler; passes over a canvas that did not change are saved.",
    ),
    "sedd": Preset(
        settings={"name": "sedd", "max_new_tokens": 256},
        why="Its own analytic sampler, with the authors' 1024 steps; fewer are faster and rougher.",
    ),
    "diffusion_gemma": Preset(
        settings={"name": "diffusion_gemma", "max_new_tokens": 256},
        why="Its own sampler with its published settings; 256 tokens are one canvas.",
    ),
    "bd3lm": Preset(
        settings={"name": "bd3lm", "max_new_tokens": 256, "nucleus_p": 0.9},
        why="First hitting times with a nucleus of 0.9, as in its scripts.",
    ),
}
"""By family. A family that is not here begins with the first sampler that fits."""


def preset(config: DiffusionConfig) -> Preset:
    """What to sample a model with: its own recommended settings, its family's, or what fits it."""
    names = fitting(config) or ["llada"]  # where nothing fits, misfit says so of the default
    if config.sampler:
        settings = {"name": names[0], **config.sampler}
        return Preset(settings=settings, why=OWN)
    if config.objective == CAUSAL:
        return OF_CAUSAL
    found = PRESETS.get(config.family)
    if found is not None and found.settings["name"] in names:
        return found
    return Preset(settings={"name": names[0]}, why=FITTING)


def carried(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """Settings to begin with for the sampler `name`, where `known` are those of a model's preset: all of them
    if they are this sampler's, else only the length of the text."""
    if known.get("name", DEFAULT) == name:
        return known
    fields = SAMPLERS[name].model_fields if name in SAMPLERS else {}
    return {"name": name} | {key: known[key] for key in ("max_new_tokens",) if key in known and key in fields}


def chosen(config: DiffusionConfig, given: SamplerOptions | dict[str, Any] | None) -> SamplerOptions:
    """The sampler to use for a model: the one given, else its preset.

    Raises: SpecError for wrong settings, and for a sampler that does not fit the model.
    """
    if not isinstance(given, SamplerOptions):
        settings = preset(config).settings
        given = parse(settings if given is None else {"name": settings["name"], **given})
    if reason := misfit(given, config):
        raise SpecError(reason)
    return given


def parse(settings: dict[str, Any]) -> SamplerOptions:
    """Sampler settings by their name. Raises: SpecError."""
    name = settings.get("name", DEFAULT)
    if not isinstance(name, str) or name not in SAMPLERS:
        raise SpecError(f"There is no sampler {name!r}; known: {', '.join(SAMPLERS)}.")
    return SAMPLERS[name].parse(settings, where="sampler")
