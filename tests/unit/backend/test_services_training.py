"""Recipes are read from two folders; a preview shows YAML and command, or the problem."""

from pathlib import Path

import pytest

from backend.services.places import ASSETS
from backend.studio import Studio
from jobs.executors import InlineExecutor
from jobs.protocol.errors import SpecError
from tests.fakes.model_folders import make_model

SPEC = {
    "kind": "train",
    "name": "Mine",
    "model": {"new": {"architecture": "gpt2", "tokenizer": "characters:1234"}},
    "data": {"builder": "sudoku", "options": {"size": 4}},
}


@pytest.fixture
def studio(studio_home: Path):
    with Studio(studio_home, executor=InlineExecutor()) as studio:
        yield studio


def test_every_bundled_recipe_is_right(studio: Studio):
    recipes = studio.training.recipes()
    root = ASSETS / "recipes"
    assert {p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.yaml")} == {
        r.name for r in recipes
    }
    for recipe in recipes:
        assert recipe.group == (recipe.name.partition("/")[0] if "/" in recipe.name else "")
        assert not recipe.problem and recipe.title and recipe.note and recipe.source == "bundled"


def test_a_broken_recipe_is_listed_with_its_problem(studio: Studio):
    folder = studio.home / "recipes"
    folder.mkdir()
    (folder / "broken.yaml").write_text("# Some words.\nkind: trian\n")
    (folder / "no-yaml.yaml").write_text("a: [")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe")
    recipes = {recipe.name: recipe for recipe in studio.training.recipes()}
    assert "train" in recipes["broken"].problem and recipes["broken"].note == "Some words."
    assert recipes["no-yaml"].problem and recipes["binary"].problem


def test_save_and_read_back(studio: Studio):
    saved = studio.training.save_recipe("my-run", SPEC, title="My run", note="Two lines\nof notes.")
    assert saved.title == "My run" and saved.note == "Two lines of notes." and saved.source == "home"
    assert studio.training.recipe("my-run").spec["name"] == "My run"
    with pytest.raises(SpecError, match="already"):
        studio.training.save_recipe("my-run", SPEC)
    studio.training.save_recipe("my-run", SPEC, title="Again", overwrite=True)
    assert studio.training.recipe("my-run").title == "Again"


def test_the_causal_baseline_is_announced_as_one(studio: Studio):
    make_model(studio.home / "models" / "causal", dllm=False)
    spec = {**SPEC, "model": {"path": "causal"}, "objective": {"name": "ar-sft"}}
    preview = studio.training.preview(spec)
    assert preview.notes == ["Objective: ar-sft: the result is a causal model, not a dLLM."], preview.problem


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "a.b", "x" * 65, "-a"])
def test_a_recipe_name_cannot_leave_the_folder(studio: Studio, name: str):
    with pytest.raises(SpecError, match="small letters"):
        studio.training.save_recipe(name, SPEC)


def test_an_unknown_recipe_is_refused(studio: Studio):
    with pytest.raises(SpecError, match="no recipe 'nope'"):
        studio.training.recipe("nope")


def test_preview_shows_what_would_start(studio: Studio):
    preview = studio.training.preview(SPEC)
    assert preview.problem == ""
    assert "builder: sudoku" in preview.yaml
    assert preview.command[1:3] == ["-m", "jobs.programs.train"]
    assert (
        str(studio.runs) in preview.command[-1] and preview.command_text.count("'") >= 2
    )  # quoted: a hostile home
    assert studio.jobs.list() == []


@pytest.mark.parametrize(
    ("model", "objective", "notes"),
    [
        (SPEC["model"], None, ["Objective: mdlm, the default for a new model."]),
        (
            {"path": "blocks"},
            None,
            ["Objective: bd3lm, as the checkpoint was trained.", "Blocks of 4 tokens."],
        ),
        ({"path": "blocks"}, {"name": "dream"}, ["Objective: dream, the checkpoint was trained with bd3lm."]),
        (
            {"path": "blocks"},
            None,
            ["Each output predicts the next position's token, as the checkpoint does."],
        ),
    ],
)
def test_preview_says_what_comes_from_the_checkpoint(studio: Studio, model, objective, notes):
    make_model(studio.home / "models" / "blocks", objective="bd3lm", block_size=4, shifted_logits=True)
    spec = {**SPEC, "model": model, **({"objective": objective} if objective else {})}
    preview = studio.training.preview(spec)
    assert not preview.problem and set(notes) <= set(preview.notes)
    assert ("objective:" in preview.yaml) == (objective is not None), "the YAML says what was typed"


def test_preview_says_what_is_wrong(studio: Studio):
    assert "unknown key" in studio.training.preview({**SPEC, "modle": 1}).problem
    wrong = studio.training.preview({**SPEC, "data": {"path": "nowhere"}})
    assert "nowhere" in wrong.problem and wrong.yaml and not wrong.command
