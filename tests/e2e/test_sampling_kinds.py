"""`studio sample` with models that are no plain dLLM of text, from the command to the text."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from jobs.models import checkpoint
from jobs.protocol import trajectory
from tests.fakes.debug_models import debug_model

pytestmark = pytest.mark.e2e


@pytest.fixture
def folder(tmp_path: Path):
    """folder(family) -> a debug model of it that can be asked."""

    def make(family: str) -> Path:
        made = debug_model(family)
        checkpoint.save(made.model, made.tokenizer, made.config, tmp_path / family, made.images)
        return tmp_path / family

    return make


def sample(model: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "studio.cli.main", "sample", str(model), *words, "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def lines_of(home: Path, request: str) -> list[dict]:
    (file,) = home.glob(f"runs/*/samples/{request}.jsonl")
    return trajectory.read(file)


def test_diffusion_gemma_shows_its_canvases(folder, studio_home):
    words = ("--prompt", "abc", "--max-new-tokens", "16", "--steps", "4", "--set", "entropy_bound=3.0")
    done = sample(folder("diffusion_gemma"), *words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    start, *steps, end = lines_of(studio_home, told["request"])
    assert start["sampler"]["name"] == "diffusion_gemma" and start["ids"].count(start["mask_id"]) == 16
    assert [step["nfe"] for step in steps][-1] == told["forward_passes"] <= 8
    events = {delta[4] for step in steps for delta in step["deltas"]}
    assert {"revealed", "remasked"} <= events and end["reason"] == "finished"
    assert steps[-1]["masked"] == 0


@pytest.mark.thorough
def test_a_picture_is_shown_to_a_model_that_sees(folder, studio_home, tmp_path):
    model, size = folder("qwen3_vl"), ("--max-new-tokens", "8", "--block-size", "8", "--steps", "4")
    Image.effect_noise((24, 16), 90).convert("RGB").save(tmp_path / "cat.png")
    done = sample(model, "--prompt", "abc", *size, "--image", str(tmp_path / "cat.png"))
    assert done.returncode == 0, done.stderr
    start, *_, end = lines_of(studio_home, json.loads(done.stdout)["request"])
    (shown,) = start["pictures"]
    assert Path(shown).parent == studio_home / "pictures"
    assert Path(shown).read_bytes() == (tmp_path / "cat.png").read_bytes()
    assert end["reason"] == "finished" and 0 < end["nfe"] <= 4

    rows = tmp_path / "prompts.jsonl"
    content = [{"type": "image", "image": "cat.png"}, {"type": "text", "text": "abc"}]
    rows.write_text(json.dumps({"messages": [{"role": "user", "content": content}]}) + "\n")
    many = sample(model, "--prompts", str(rows), *size)
    assert many.returncode == 0, many.stderr
    (answer,) = json.loads(many.stdout)
    same = (answer["text"], answer["nfe"]) == (end["text"], end["nfe"])
    assert same, "from a file as from the command"
