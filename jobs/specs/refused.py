"""Methods that people ask for by name and that are not here, each with the reason and what to do instead."""

from collections.abc import Mapping
from typing import Any

REWARDS = (
    "learns from pairs or rewards through the likelihood of an answer, which a diffusion model only has a "
    "bound of; train on the chosen answers with an objective of the list"
)

REFUSED: dict[str, str] = {
    "dpo": f"DPO {REWARDS}.",
    "kto": f"KTO {REWARDS}.",
    "orpo": f"ORPO {REWARDS}.",
    "ppo": f"PPO {REWARDS}.",
    "grpo": f"GRPO {REWARDS}.",
    "reward": "A reward model is a scorer for PPO, which is not here; train one with TRL.",
    "loftq": "LoftQ fits LoRA to the errors of 4-bit weights, which peft does on a GPU and from a downloaded "
    "model only; use tuning.quantize: 4bit, or tuning.start: pissa without it.",
    "badam": "BAdam is no longer developed, and its switching of blocks throws the optimizer's state away at "
    "each turn; use tuning.method: layers, or optimisation.optimizer: galore.",
    "mixture-of-depths": "Mixture-of-Depths needs model classes of its own, which were abandoned upstream; "
    "for less time a step choose a smaller model or tuning.method: lora.",
    "lomo": "LOMO updates weights inside the backward pass, so that steps cannot be accumulated or resumed; "
    "use optimisation.optimizer: adafactor.",
    "qlora": "QLoRA is tuning.method: lora with tuning.quantize: 4bit.",
    "freeze": "Freeze training is tuning.method: layers, with the number in tuning.layers.",
}

ALIASES = {"rm": "reward", "mod": "mixture-of-depths", "mixture_of_depths": "mixture-of-depths"}

PLACES = (
    ("tuning", "method"),
    ("tuning", "start"),
    ("optimisation", "optimizer"),
    ("objective", "name"),
)
"""Where a person would write such a name."""


def refusal(name: Any) -> str | None:
    """Why a method is not here; None for a name that is no such method."""
    lowered = str(name).strip().lower()
    return REFUSED.get(ALIASES.get(lowered, lowered))


def refuse(data: Any) -> Any:
    """A train spec's data as it is. Raises: ValueError for a method that is not here, with the reason."""
    for group, key in PLACES:
        found = data.get(group) if isinstance(data, Mapping) else None
        named = found.get(key) if isinstance(found, Mapping) else None
        reason = refusal(named)
        if reason is not None:
            raise ValueError(f"{group}.{key}: {named} is not among the methods here. {reason}")
    return data
