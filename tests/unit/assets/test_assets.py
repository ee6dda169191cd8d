"""The bundled files: recipes that validate, a tokenizer that fits the grammar, small models that load."""

import json
import random
import re
from pathlib import Path

import pytest

from assets import make_tokenizer
from jobs.data.builders import build
from jobs.data.builders import story_grammar as grammar
from jobs.models import checkpoint
from jobs.models.tokenizers import load_tokenizer
from jobs.protocol.errors import DataError
from jobs.specs.job import TrainSpec
from jobs.specs.load import load_spec

ASSETS = Path(make_tokenizer.__file__).parent
FROM_FILES = ("gsm8k", "web_shards", "speeches", "wordnet")
OF_SEVERAL_JOBS = ("pipelines", "sweeps")
RECIPES = sorted(p for p in (ASSETS / "recipes").rglob("*.yaml") if p.parent.name not in OF_SEVERAL_JOBS)
MODELS = sorted(folder for folder in (ASSETS / "models").iterdir() if folder.is_dir())


@pytest.mark.thorough
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(ASSETS / "recipes").as_posix())
def test_a_recipe_is_a_spec_whose_data_can_be_built(path):
    spec = load_spec(path)
    assert isinstance(spec, TrainSpec) and spec.name
    if spec.data.builder is None:
        return
    try:
        assert next(build(spec.data.builder, spec.data.options))
    except DataError as error:  # what it reads is not on this machine: it says how to get it
        assert spec.data.builder in FROM_FILES
        assert re.search("install|set options.path|no such file", str(error))


def test_the_tables_are_pictures_with_questions_about_them():
    """Small, and beside the file that names them."""
    rows = [json.loads(line) for line in (ASSETS / "data" / "tables.jsonl").read_text().splitlines()]
    assert len(rows) == 32 and len({row["messages"][1]["content"] for row in rows}) == 8
    pictures = {ASSETS / "data" / name for row in rows for name in row["images"]}
    assert len(pictures) == 16 and all(path.stat().st_size < 1000 for path in pictures)


def test_the_stories_tokenizer_is_what_its_script_makes():
    made, kept = make_tokenizer.make(), load_tokenizer(ASSETS / "tokenizers" / "stories")
    assert made.get_vocab() == kept.get_vocab()
    assert made.chat_template == kept.chat_template


def test_stories_survive_the_tokenizer():
    tokenizer = load_tokenizer(ASSETS / "tokenizers" / "stories")
    rng = random.Random(0)
    for _ in range(200):
        story = grammar.generate(rng)
        ids = tokenizer.encode(story, add_special_tokens=False)
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == story


def test_the_chat_template_ends_the_prompt_where_the_story_begins():
    tokenizer = load_tokenizer(ASSETS / "tokenizers" / "stories")
    story = grammar.generate(random.Random(0))
    for request in ("", "Write a story."):
        turns = [{"role": "user", "content": request}, {"role": "assistant", "content": story}]
        prompt = tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
        assert tokenizer.apply_chat_template(turns, tokenize=False) == f"{prompt}{story}[END]"


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_bundled_model_is_small_and_loads(folder):
    assert sum(file.stat().st_size for file in folder.iterdir()) < 3_000_000
    loaded = checkpoint.load(folder)
    assert loaded.model.config.is_causal is False
    assert loaded.tokenizer is not None and loaded.tokenizer.mask_token_id == loaded.config.mask_token_id
    assert loaded.config.sampler and loaded.config.note
    assert sum(weights.numel() for weights in loaded.model.parameters()) <= 1_400_000
