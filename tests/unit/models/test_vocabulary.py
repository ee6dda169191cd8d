"""Tokenizer and diffusion settings without weights are those of the whole model."""

from pathlib import Path

import pytest

from jobs.models import checkpoint
from jobs.models.create import create
from jobs.models.vocabulary import vocabulary
from jobs.protocol.errors import ModelError
from jobs.specs.job import ModelSpec, NewModelSpec

STORIES = Path(__file__).parents[3] / "assets" / "models" / "stories"


def test_of_a_checkpoint():
    tokenizer, config = vocabulary(ModelSpec(path=str(STORIES)))
    whole = checkpoint.load(STORIES)
    assert config == whole.config and tokenizer.get_vocab() == whole.tokenizer.get_vocab()


@pytest.mark.parametrize("start", [{"architecture": "gpt2"}, {"family": "dream"}, {"family": "llada"}])
def test_of_a_new_model(start: dict[str, str]):
    new = NewModelSpec(tokenizer="characters:0123456789", **start)
    small = {"n_layer": 1, "n_embd": 8, "n_head": 2} if "architecture" in start else {}
    whole = create(new.model_copy(update={"config": small}), seed=0)
    tokenizer, config = vocabulary(ModelSpec(new=new))
    assert config.mask_token_id == whole.config.mask_token_id
    assert config.shifted_logits == whole.config.shifted_logits
    assert tokenizer.get_vocab() == whole.tokenizer.get_vocab()


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ModelError, match="has no weights"):
        vocabulary(ModelSpec(path=str(tmp_path)))
