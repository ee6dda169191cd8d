"""Models of a family's debug size: official config, random weights, seconds on a CPU."""

import copy
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase as Tokenizer

from jobs.models.bidirectional import make_bidirectional
from jobs.models.checkpoint import Checkpoint
from jobs.models.classes import model_class
from jobs.models.families import FAMILIES
from jobs.models.images import ImageProcessor
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig

ROLES = ("bos", "eos", "pad")


def debug_checkpoint(
    family_name: str, tokenizer: Tokenizer, seed: int = 0, sizes: dict[str, Any] | None = None
) -> Checkpoint:
    """A family's debug model over a tokenizer that has a mask token. float32, eval mode.

    `sizes` replace values of its debug config, by the official config.json's keys; a mapping inside it key by
    key.

    It goes through the family's own config mapping, so it is what an official folder of that size loads as.
    Tokens that the family cannot do without are added, to a copy of the tokenizer.
    Raises: SpecError for a key that the debug config has not.
    """
    family = FAMILIES[family_name]
    if family.special_tokens:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.add_tokens(list(family.special_tokens), special_tokens=True)
    mask_id = int(tokenizer.mask_token_id)
    special = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ROLES}
    raw = family.debug_config(tokenizer.get_vocab(), mask_token_id=mask_id, **special)
    raw = resized(raw, sizes or {}, f"config of a new {family.title}")
    config = family.stock_config(raw)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)(config)
    traits = {**family.traits(raw), "mask_token_id": mask_id}
    diffusion = DiffusionConfig(family=family_name, source="random weights", **traits)
    images = ImageProcessor.from_settings(family.debug_images) if family.debug_images else None
    return Checkpoint(make_bidirectional(model).eval(), tokenizer, diffusion, None, images)


def resized(config: dict[str, Any], sizes: dict[str, Any], where: str) -> dict[str, Any]:
    """`config` with the values of `sizes` in place of its own. Raises: SpecError for an unknown key."""
    found = dict(config)
    for key, value in sizes.items():
        if key not in config:
            raise SpecError(f"{where}: there is no key {key!r}; its sizes are {', '.join(config)}.")
        inner = isinstance(value, dict) and isinstance(config[key], dict)
        found[key] = resized(config[key], value, f"{where}, {key}") if inner else value
    return found
