"""Settings that are allowed and known to go wrong, each with what to do instead.

A misfit (see fits) is refused; a caution stands beside the settings and refuses nothing.
"""

from collections.abc import Callable
from typing import Any, Protocol

from jobs.specs.samplers.base import SamplerOptions
from jobs.specs.samplers.fits import Trained

MANY_AT_ONCE = 8  # tokens a pass that are chosen without seeing each other
OWN_CLOCK = ("mdlm", "remdm", "sedd", "diffusion_gemma")  # samplers whose steps are no shares of the text
LONG = 64  # tokens of an answer that has room to end early


class Asked(Trained, Protocol):
    """What is to know of a model, and whether it is one for conversations."""

    @property
    def chat(self) -> bool: ...
    @property
    def task(self) -> str: ...


def cautions(options: SamplerOptions, model: Asked) -> list[str]:
    """A sentence for each thing that is known to go wrong with these settings on this model."""
    if model.task == "grid":
        return []
    settings = options.model_dump()
    found = [rule(settings, model) for rule in RULES]
    return [sentence for sentence in found if sentence is not None]


def _floods_with_ends(settings: dict[str, Any], model: Asked) -> str | None:
    """ML-GSAI/LLaDA EVAL.md and issue 86: trained on end-of-text padding, an Instruct model is sure of it."""
    whole = settings.get("block_size") in (None, settings["max_new_tokens"])
    kept_off = settings.get("suppress_eos") or settings.get("delay_eos")
    of_this_kind = settings["name"] in ("llada", "dllm_mdlm", "fast_dllm", "dinfer", "local_leap")
    if of_this_kind and model.chat and whole and not kept_off and settings["max_new_tokens"] >= LONG:
        return (
            "A long answer in one block often fills with end-of-text, for that is what a model for "
            "conversations is surest of. Try block_size 32."
        )
    return None


def _one_pass_a_block(settings: dict[str, Any], model: Asked) -> str | None:
    """NVlabs/Fast-dLLM issue 66, pull request 82: the evaluation's HumanEval fell to 0."""
    steps, size = settings.get("steps"), settings.get("block_size")
    if settings.get("use_cache") != "dual" or not steps or not size or settings.get("threshold") is not None:
        return None
    if steps <= -(-settings["max_new_tokens"] // size):
        return (
            f"At steps {steps} a block has one pass: with the dual cache nothing written is ever read again. "
            "Raise steps, or leave them out and set threshold 0.9."
        )
    return None


def _too_many_at_once(settings: dict[str, Any], model: Asked) -> str | None:
    """Tokens of one pass are chosen apart from each other (arXiv 2505.22618, section 3.3)."""
    steps = settings.get("steps")
    if not steps or settings.get("threshold") is not None or settings.get("factor") is not None:
        return None
    share = settings["max_new_tokens"] / steps
    if settings["name"] in OWN_CLOCK or share <= MANY_AT_ONCE:
        return None
    half = settings["max_new_tokens"] // 2
    return (
        f"{share:.0f} tokens are written in each pass without seeing each other, so words often repeat or do "
        f"not agree. Try {half} steps."
    )


def _dream_wants_all_steps(settings: dict[str, Any], model: Asked) -> str | None:
    """DreamLM/Dream README: steps equal to the new tokens for quality."""
    if settings["name"] != "dream" or settings["steps"] >= settings["max_new_tokens"] / 2:
        return None
    if settings["max_new_tokens"] / settings["steps"] > MANY_AT_ONCE:
        return None  # said already
    return "Dream's authors set steps to max_new_tokens; with fewer than half of them texts become worse."


def _low_threshold(settings: dict[str, Any], model: Asked) -> str | None:
    """arXiv 2505.22618, section 3.3: parallel decoding equals greedy where (n + 1)(1 - threshold) < 1."""
    threshold = settings.get("threshold")
    if threshold is None or threshold >= 0.6:
        return None
    return (
        f"With a threshold of {threshold:g} a pass writes tokens that the model doubts; published settings "
        "are from 0.7 to 0.95."
    )


def _coarse_random_numbers(settings: dict[str, Any], model: Asked) -> str | None:
    """arXiv 2409.02908."""
    if settings.get("precision") != "float32":
        return None
    return (
        "The coarse random numbers of float32 favour likely tokens, so texts are less varied than the "
        "settings say. Use float64 unless you compare with published figures."
    )


def _fast_in_name_only(settings: dict[str, Any], model: Asked) -> str | None:
    if settings["name"] != "fast_dllm" or any(settings[key] for key in ("steps", "threshold", "factor")):
        return None
    return "Without steps, threshold or factor a pass writes one token. Set threshold 0.9 to write more."


def _no_ends_at_all(settings: dict[str, Any], model: Asked) -> str | None:
    if not settings.get("suppress_eos"):
        return None
    length = settings["max_new_tokens"]
    return (
        f"Without end-of-text every answer has {length} tokens, and a short one is "
        "filled up with whatever comes. Try delay_eos, or short blocks."
    )


RULES: tuple[Callable[[dict[str, Any], Asked], str | None], ...] = (
    _floods_with_ends,
    _one_pass_a_block,
    _too_many_at_once,
    _dream_wants_all_steps,
    _low_threshold,
    _coarse_random_numbers,
    _fast_in_name_only,
    _no_ends_at_all,
)
