"""The script that a text is exported as writes the same tokens."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from backend.services.film_script import script
from jobs.models import causal
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.programs import device
from jobs.programs.asks import Ask
from jobs.programs.generation import Generation, make_canvas, replies
from jobs.protocol.trajectory import canvas_after
from jobs.specs.launcher import LauncherSpec
from jobs.specs.samplers.presets import parse

pytestmark = pytest.mark.e2e

MODELS = Path(__file__).parents[2] / "assets" / "models"
TALK = [{"role": "user", "content": "Write a story about Mia who finds a lantern."}]
SHORT = {"max_new_tokens": 24, "block_size": 24, "steps": 12}


def written(model: str, ask: Ask, sampler: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """A trajectory, as the playground's server writes it."""
    where = device.pick(LauncherSpec())
    loaded = causal.load_writer(MODELS / model, device.inference_dtype(where), str(where))
    options, lines = parse(sampler), []
    canvas = make_canvas(ask, loaded, options)
    work = Generation(
        loaded, ask.shown, canvas, options, lines.append, request="r", model=str(MODELS / model), seed=seed
    )
    while not work.finished:
        for _, logits in replies(loaded.denoiser(), [work]):
            work.run.answer(logits)
        work.tell()
    work.end("finished")
    return lines


@pytest.mark.parametrize(
    ("model", "ask", "sampler"),
    [
        ("stories", Ask("messages", TALK, prefix="Tom"), {"name": "llada", "temperature": 0.8, **SHORT}),
        ("stories", Ask("infill", "Mia ____ the lantern."), {"name": "fast_dllm", **SHORT}),
        ("sudoku-9x9", Ask("grid", "5" + "." * 80), {"name": "mdlm", "steps": 8}),
    ],
    ids=["chat", "infill", "grid"],
)
def test_the_script_writes_the_same_tokens(model: str, ask: Ask, sampler: dict, tmp_path: Path, capsys: Any):
    lines = written(model, ask, sampler, seed=11)
    file = tmp_path / "again.py"
    file.write_text(script(lines[0], str(MODELS / model)), encoding="utf-8")
    again = runpy.run_path(str(file))["lines"]
    assert canvas_after(again) == canvas_after(lines)
    steps = [[line["deltas"] for line in one if line["type"] == "step"] for one in (lines, again)]
    assert steps[0] == steps[1]
    assert capsys.readouterr().out.strip() == lines[-1]["text"].strip()
    other = written(model, ask, sampler, seed=12)
    assert "temperature" not in sampler or canvas_after(other) != canvas_after(lines)


def test_the_script_of_a_causal_lane_writes_the_same_tokens(tmp_path: Path):
    made = causal.as_causal(debug_checkpoint("a2d", character_tokenizer("abc")))
    causal.save(made.model, made.tokenizer, folder := tmp_path / "model")
    lines = written(str(folder), Ask("prompt", "ab"), {"name": "ar", "max_new_tokens": 8}, seed=3)
    file = tmp_path / "again.py"
    file.write_text(script(lines[0], str(folder)), encoding="utf-8")
    assert canvas_after(runpy.run_path(str(file))["lines"]) == canvas_after(lines)
