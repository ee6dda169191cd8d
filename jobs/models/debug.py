"""Models of a family's debug size: official config, random weights, seconds on a CPU."""

import copy

import torch
from transformers import PreTrainedTokenizerBase as Tokenizer

from jobs.models.bidirectional import make_bidirectional
from jobs.models.checkpoint import Checkpoint
from jobs.models.classes import model_class
from jobs.models.families import FAMILIES
from jobs.models.images import ImageProcessor
from jobs.specs.diffusion_config import DiffusionConfig

ROLES = ("bos", "eos", "pad")


def debug_checkpoint(family_name: str, tokenizer: Tokenizer, seed: int = 0) -> Checkpoint:
    """A family's debug model over a tokenizer that has a mask token. float32, eval mode.

    It goes through the family's own config mapping, so it is what an official folder of that size loads as.
    Tokens that the family cannot do without are added, to a copy of the tokenizer.
    """
    family = FAMILIES[family_name]
    if family.special_tokens:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.add_tokens(list(family.special_tokens), special_tokens=True)
    mask_id = int(tokenizer.mask_token_id)
    special = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ROLES}
    raw = family.debug_config(tokenizer.get_vocab(), mask_token_id=mask_id, **special)
    config = family.stock_config(raw)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)(config)
    traits = {**family.traits(raw), "mask_token_id": mask_id}
    diffusion = DiffusionConfig(family=family_name, source="random weights", **traits)
    images = ImageProcessor.from_settings(family.debug_images) if family.debug_images else None
    return Checkpoint(make_bidirectional(model).eval(), tokenizer, diffusion, None, images)
