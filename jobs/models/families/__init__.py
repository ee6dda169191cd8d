"""The families: official checkpoint formats that load as stock transformers classes.

To add one: a file with a class of base.Family's shape, its line in jobs/specs/families.py, and its name here.
The contract tests run over every entry.
"""

from collections.abc import Collection
from typing import Any

from jobs.models.families.a2d import A2D
from jobs.models.families.base import Family
from jobs.models.families.bd3lm import BD3LM
from jobs.models.families.bert import Bert
from jobs.models.families.diffugpt import DiffuGPT
from jobs.models.families.diffullama import DiffuLLaMA
from jobs.models.families.diffusion_gemma import DiffusionGemma
from jobs.models.families.dream import Dream
from jobs.models.families.efficient_dlm import EfficientDLM
from jobs.models.families.llada import LLaDA
from jobs.models.families.llada2 import LLaDA2
from jobs.models.families.lladamoe import LLaDAMoE
from jobs.models.families.mdlm import MDLM
from jobs.models.families.qwen3_vl import Qwen3VL
from jobs.models.families.sdar import SDAR
from jobs.models.families.sedd import SEDD
from jobs.models.families.stable_diffcoder import StableDiffCoder
from jobs.specs import families as table

FAMILIES: dict[str, Family] = {
    "llada": LLaDA(),
    "dream": Dream(),
    "diffugpt": DiffuGPT(),
    "diffullama": DiffuLLaMA(),
    "lladamoe": LLaDAMoE(),
    "llada2": LLaDA2(),
    "sdar": SDAR(),
    "stable_diffcoder": StableDiffCoder(),
    "efficient_dlm": EfficientDLM(),
    "bert": Bert(),
    "mdlm": MDLM(),
    "bd3lm": BD3LM(),
    "sedd": SEDD(),
    "qwen3_vl": Qwen3VL(),
    "diffusion_gemma": DiffusionGemma(),
    "a2d": A2D(),
}


def detect(config: dict[str, Any], tensors: Collection[str], name: str = "") -> Family | None:
    """The family that claims a folder's config.json and tensor names (or the Hub id `name`), or None."""
    found = table.detect(config, tensors, name)
    return FAMILIES[found] if found is not None else None


__all__ = ["FAMILIES", "Family", "detect"]
