"""Tiny models that the mathematics is tried on."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from jobs.diffusion.denoiser import Denoiser
from jobs.models.classes import model_class
from jobs.models.families import FAMILIES
from jobs.specs.diffusion_config import DiffusionConfig

WORDS, MASK, EOS = 24, 23, 22


def tiny(kind: str, words: int = WORDS) -> torch.nn.Module:
    """A bidirectional model of 24 tokens (or `words`) with clear preferences, float32, eval."""
    torch.manual_seed(3)
    if kind == "diffusion_gemma":
        family = FAMILIES[kind]
        special = {"mask_token_id": MASK, "eos_token_id": EOS, "pad_token_id": EOS, "bos_token_id": 0}
        config = family.stock_config(
            family.debug_config({str(word): word for word in range(words)}, **special)
        )
        return model_class(config)(config).eval()
    if kind == "gpt2":
        config = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=96, vocab_size=words)
        config.initializer_range = 0.3
        config.is_causal = False
        return GPT2LMHeadModel(config).eval()
    config = LlamaConfig(
        **{"vocab_size": words, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
        **{"intermediate_size": 48, "initializer_range": 0.3, "max_position_embeddings": 96},
    )
    config.is_causal = False
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session")
def make() -> Callable[..., Denoiser]:
    """make(kind="llama", **DiffusionConfig fields) -> a denoiser; models are shared, do not change them."""
    models: dict[str, Any] = {}

    def maker(kind: str = "llama", **fields: Any) -> Denoiser:
        models.setdefault(kind, tiny(kind))
        return Denoiser(models[kind], DiffusionConfig(mask_token_id=MASK, **fields))

    return maker
