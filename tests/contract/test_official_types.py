"""The model list, which loads no torch, knows the same official formats as the code that loads them."""

import pytest

from backend.services.checkpoints import OFFICIAL, official_family
from jobs.models.families import FAMILIES, detect

TENSORS = {"model.transformer.wte.weight", "model.embed_tokens.weight"}
CONFIGS = [
    {"architectures": ["LLaDAModelLM"], "model_type": "llada"},
    {"architectures": ["LLaDAMoEModelLM"], "model_type": "llada"},
    {"architectures": ["A2DLlamaLMHeadModel"], "model_type": "a2d-llama"},
    {"architectures": ["A2DQwen3LMHeadModel"], "model_type": "a2d-qwen3"},
    {"architectures": ["LlamaForCausalLM"], "model_type": "llama"},
    {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"},
]


def test_every_family_is_in_the_table():
    assert set(OFFICIAL.values()) == set(FAMILIES)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config["architectures"][0])
def test_both_say_the_same_of_a_config(config: dict):
    family = detect(config, TENSORS)
    assert official_family(config["architectures"][0], config["model_type"]) == (family and family.name)
