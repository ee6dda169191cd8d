"""Models of a family's debug size: official config, random weights, seconds on a CPU."""

import torch
from transformers import PreTrainedTokenizerBase as Tokenizer

from jobs.models.bidirectional import make_bidirectional
from jobs.models.checkpoint import Checkpoint
from jobs.models.classes import model_class
from jobs.models.families import FAMILIES
from jobs.specs.diffusion_config import DiffusionConfig


def debug_checkpoint(family_name: str, tokenizer: Tokenizer, seed: int = 0) -> Checkpoint:
    """A family's debug model over a tokenizer that has a mask token. float32, eval mode.

    It goes through the family's own config mapping, so it is what an official folder of that size loads as.
    """
    family = FAMILIES[family_name]
    mask_id = int(tokenizer.mask_token_id)
    raw = {**family.debug, "vocab_size": len(tokenizer), "mask_token_id": mask_id}
    for role in ("bos", "eos", "pad"):
        raw[f"{role}_token_id"] = getattr(tokenizer, f"{role}_token_id")
    config = family.stock_config(raw)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)(config)
    traits = {**family.traits(raw), "mask_token_id": mask_id}
    diffusion = DiffusionConfig(family=family_name, source="random weights", **traits)
    return Checkpoint(make_bidirectional(model).eval(), tokenizer, diffusion, None)
