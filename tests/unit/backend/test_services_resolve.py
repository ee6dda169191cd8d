"""Names in specs become absolute paths, and what is missing is named in one sentence."""

from pathlib import Path

import pytest

from backend.services.datasets import DatasetService
from backend.services.models import ModelService
from backend.services.resolve import Resolver
from jobs.protocol.errors import StudioError
from jobs.specs.job import KINDS
from jobs.specs.load import parse_spec
from tests.fakes.model_folders import make_model


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    assets, home = tmp_path / "assets", tmp_path / "home"
    make_model(assets / "models" / "stories")
    make_model(home / "models" / "causal", dllm=False)
    make_model(home / "runs" / "train-0001" / "model")
    (assets / "tokenizers" / "stories").mkdir(parents=True)
    (assets / "data").mkdir()
    (assets / "data" / "tales.jsonl").write_text('{"text": "a"}\n')
    (assets / "data" / "prompts.txt").write_text("a\n")
    return Resolver(ModelService(home, assets), DatasetService(home, assets), assets)


def train(**model) -> dict:
    return {"kind": "train", "model": model, "data": {"path": "tales"}}


def new(tokenizer: str) -> dict:
    return train(new={"architecture": "gpt2", "tokenizer": tokenizer})


def test_every_kind_resolves_to_absolute_paths_and_again(resolver: Resolver):
    specs = {
        "train": train(path="run:train-0001"),
        "convert": {"kind": "convert", "source": "causal", "lora_base": "stories"},
        "sample": {"kind": "sample", "model": "stories", "prompts": "prompts"},
        "serve": {"kind": "serve", "model": "stories"},
        "prepare": {"kind": "prepare", "data": {"path": "prompts"}, "tokenizer": "stories"},
        "inspect": {"kind": "inspect"},
    }
    assert set(specs) == set(KINDS)
    for data in specs.values():
        once = resolver(parse_spec(data))
        assert resolver(once) == once
        text = once.model_dump_json()
        assert not any(f'"{name}"' in text for name in ("stories", "causal", "tales", "prompts.txt"))
        assert parse_spec(once.model_dump(mode="json")) == once


@pytest.mark.parametrize(
    ("checkpoint", "chosen", "found"),
    [
        ({"objective": "llada"}, None, {"name": "llada"}),
        ({"objective": "mdlm", "schedule": "cosine"}, None, {"name": "mdlm", "schedule": "cosine"}),
        ({"objective": "bd3lm", "block_size": 4}, None, {"name": "bd3lm", "block_size": 4}),
        ({"objective": "dfactory", "block_size": 16}, {"name": "bd3lm"}, {"name": "bd3lm", "block_size": 16}),
        ({"objective": "bd3lm", "block_size": 4}, {"name": "bd3lm", "block_size": 32}, {"block_size": 32}),
        ({"objective": "mdlm"}, {"name": "bd3lm"}, {"name": "bd3lm", "block_size": 32}),
        ({"objective": "ddm", "shifted_logits": True}, None, {"name": "ddm", "anneal_steps": 1}),
        ({"objective": "ddm"}, {"name": "ddm"}, {"name": "ddm", "anneal_steps": 10000}),
    ],
)
def test_the_objective_is_the_checkpoints_unless_chosen(resolver: Resolver, checkpoint, chosen, found):
    make_model(resolver.models.home_root / "start", **checkpoint)
    spec = parse_spec({**train(path="start"), **({"objective": chosen} if chosen else {})})
    once = resolver(spec).model_dump()["objective"]
    assert {key: once[key] for key in found} == found
    assert resolver(resolver(spec)) == resolver(spec)


def test_a_causal_model_is_for_the_causal_baseline_alone(resolver: Resolver):
    spec = parse_spec({**train(path="causal"), "objective": {"name": "ar-sft"}})
    assert Path(resolver(spec).model_dump()["model"]["path"]).name == "causal"
    with pytest.raises(StudioError, match="causal is a causal language model"):
        resolver(parse_spec({**train(path="causal"), "objective": {"name": "mdlm"}}))


def test_an_objective_of_nobody_is_named(resolver: Resolver):
    make_model(resolver.models.home_root / "start", objective="plaid")
    with pytest.raises(StudioError, match="was trained with 'plaid', .* choose one of llada, mdlm"):
        resolver(parse_spec(train(path="start")))


def test_a_new_model_has_the_default(resolver: Resolver):
    assert resolver(parse_spec(new("stories"))).model_dump()["objective"]["name"] == "mdlm"


def test_tokenizers(resolver: Resolver):
    def tokenizer(name: str) -> str:
        spec = resolver(parse_spec(new(name)))
        return spec.model_dump()["model"]["new"]["tokenizer"]

    assert tokenizer("characters:0123") == "characters:0123"
    assert Path(tokenizer("stories")).name == "stories" and "tokenizers" in tokenizer("stories")
    assert tokenizer("causal").endswith("models/causal")


def test_a_hub_id_stays_for_the_job_to_find(resolver: Resolver):
    spec = parse_spec({"kind": "convert", "source": "Qwen/Qwen3-0.6B"})
    assert resolver(spec) == spec


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (train(path="storis"), "Did you mean stories"),
        (train(path="causal"), "convert it first"),
        (train(path="run:train-0009"), "no run"),
        (new("nothing"), "no tokenizer 'nothing'"),
        (new("../tokenizers/stories"), "no tokenizer"),
        (
            {**train(path="stories"), "data": {"path": "/no/such.jsonl"}},
            "/no/such.jsonl: there is no such file",
        ),
        ({**train(path="stories"), "data": {"builder": "sudoko"}}, "no builder 'sudoko'"),
        ({**train(path="stories"), "data": {"path": "sudoku"}}, "write data.builder"),
        ({"kind": "convert", "source": "no-such"}, "no model 'no-such'"),
        ({"kind": "convert", "source": "model.gguf"}, "model.gguf: there is no such file"),
        (
            {"kind": "sample", "model": "stories", "prompts": "missing.txt"},
            "missing.txt: there is no such file",
        ),
        ({"kind": "serve", "model": "causal"}, "convert it first"),
    ],
)
def test_what_is_missing_is_named(resolver: Resolver, data: dict, says: str):
    with pytest.raises(StudioError) as caught:
        resolver(parse_spec(data))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
