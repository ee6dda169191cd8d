"""Settings that are known to go wrong are told with a remedy; what is recommended is not."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.specs.samplers.cautions import RULES, cautions
from jobs.specs.samplers.presets import PRESETS, parse

TALKS = SimpleNamespace(objective="llada", block_size=None, noise="mask", chat=True, task="text")
GOES_ON = SimpleNamespace(**{**vars(TALKS), "chat": False})
GRID = SimpleNamespace(**{**vars(TALKS), "task": "grid"})
LONG: dict[str, Any] = {"name": "llada", "max_new_tokens": 128, "steps": 128}
DUAL = {"name": "fast_dllm", "max_new_tokens": 256, "block_size": 32, "use_cache": "dual"}

WRONG = {
    "_floods_with_ends": (LONG, "Try block_size 32"),
    "_one_pass_a_block": ({**DUAL, "steps": 8}, "At steps 8 a block has one pass"),
    "_too_many_at_once": ({**LONG, "steps": 8}, "16 tokens are written in each pass"),
    "_dream_wants_all_steps": ({"name": "dream", "max_new_tokens": 64, "steps": 16}, "set steps to max_new"),
    "_low_threshold": ({**DUAL, "threshold": 0.3}, "a threshold of 0.3"),
    "_coarse_random_numbers": ({"name": "mdlm", "precision": "float32"}, "Use float64"),
    "_fast_in_name_only": ({"name": "fast_dllm"}, "Set threshold 0.9"),
    "_no_ends_at_all": ({**LONG, "block_size": 32, "suppress_eos": True}, "every answer has 128 tokens"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_caution_says_what_happens_and_what_to_do(rule):
    settings, says = WRONG[rule.__name__]
    assert says in "\n".join(cautions(parse(settings), TALKS))
    assert cautions(parse(settings), GRID) == [], "a grid has one block and no end"


@pytest.mark.parametrize("family", PRESETS)
def test_what_authors_recommend_is_beyond_caution(family):
    assert cautions(parse(PRESETS[family].settings), TALKS) == []


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        (LONG, GOES_ON),
        ({**LONG, "block_size": 32}, TALKS),
        ({**LONG, "delay_eos": True}, TALKS),
        ({**DUAL, "steps": 64}, TALKS),
        ({**DUAL, "threshold": 0.9}, TALKS),
        ({"name": "mdlm", "max_new_tokens": 512, "steps": 16}, TALKS),
        ({"name": "ar"}, TALKS),
    ],
)
def test_what_works_is_left_alone(settings, model):
    assert cautions(parse(settings), model) == []
