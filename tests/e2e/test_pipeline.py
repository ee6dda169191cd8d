"""Convert, train, sample as one spec, with the real programs: it fails in the middle and is run again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from transformers import GPT2Config, GPT2LMHeadModel

from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.folder import RunFolder, read_json

pytestmark = pytest.mark.e2e

STUDIO = [sys.executable, "-m", "studio.cli.main"]
ON_CPU = {"device": "cpu", "threads": 1}
ROW = '{"prompt": "abc", "completion": "defabc"}\n'


def studio(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*STUDIO, *words], capture_output=True, text=True, timeout=300)


@pytest.fixture
def donor(tmp_path: Path) -> Path:
    """A causal model of a few thousand values."""
    torch.manual_seed(0)
    tokenizer = character_tokenizer("abcdefghijklmnopqrstuvwxyz UA:_\n")
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), **sizes))
    model.save_pretrained(tmp_path / "donor")
    tokenizer.save_pretrained(tmp_path / "donor")
    return tmp_path / "donor"


@pytest.fixture
def pipeline(tmp_path: Path, donor: Path) -> Path:
    """Its training meets a broken row."""
    (tmp_path / "rows.jsonl").write_text(ROW * 8 + "{broken\n")
    (tmp_path / "prompts.txt").write_text("abc\nghi\n")
    steps = {
        "convert": {"kind": "convert", "source": str(donor)},
        "train": {
            "kind": "train",
            "model": {"path": "run:convert"},
            "data": {"path": str(tmp_path / "rows.jsonl"), "max_length": 24, "validation": 0},
            "optimisation": {"steps": 2, "batch_size": 2},
            "launcher": ON_CPU,
        },
        "sample": {
            "kind": "sample",
            "model": "run:train",
            "prompts": str(tmp_path / "prompts.txt"),
            "sampler": {"name": "llada", "steps": 2, "max_new_tokens": 4, "block_size": 4},
            "launcher": ON_CPU,
        },
    }
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump({"kind": "pipeline", "name": "All", "steps": steps}, sort_keys=False))
    return path


def test_it_fails_in_the_middle_and_is_run_again_from_there(pipeline, tmp_path, studio_home):
    failed = studio("run", str(pipeline), "--wait")
    assert failed.returncode == 1 and failed.stdout.startswith("pipeline-0001\n"), failed.stderr
    assert "rows.jsonl" in failed.stderr and "studio rerun pipeline-0001" in failed.stderr
    states = json.loads(studio("groups", "pipeline-0001", "--json").stdout)["counts"]
    assert states.pop("succeeded") == 1 and states.pop("failed") >= 1
    runs = studio_home / "runs"
    converted = (runs / "convert-0001" / "model" / "model.safetensors").stat().st_mtime_ns

    (tmp_path / "rows.jsonl").write_text(ROW * 8)
    again = studio("rerun", "pipeline-0001", "--wait")
    assert again.returncode == 0, again.stderr
    assert "Queued again: train-0002, sample-0003." in again.stderr
    assert (runs / "convert-0001" / "model" / "model.safetensors").stat().st_mtime_ns == converted
    assert RunFolder(runs / "convert-0001").attempt_numbers() == [1], "what succeeded is not repeated"
    train, sample = RunFolder(runs / "train-0002"), RunFolder(runs / "sample-0003")
    assert train.spec()["model"]["path"] == str(RunFolder(runs / "convert-0001").model)
    assert train.spec()["objective"]["name"] == "mdlm", "as the converted model says"
    assert sample.spec()["model"] == str(train.model)
    assert read_json(sample.result_json)["status"] == "succeeded"
    assert len(sample.predictions.read_text().splitlines()) == 2
