"""Training on conversations with pictures, through the train program in this process."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from jobs.models import checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.programs import train
from jobs.programs.inspecting.looks import preview
from jobs.programs.process import Process
from jobs.protocol.errors import DataError, SpecError
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder
from jobs.specs.inspect import PreviewAsk
from jobs.specs.job import TrainSpec

pytestmark = pytest.mark.thorough  # whole trainings, though short ones

STORIES = str(Path(__file__).parents[3] / "assets" / "models" / "stories")
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def given(tmp_path):
    """A debug Qwen3-VL and conversations about pictures, two in three with one."""
    made = debug_checkpoint("qwen3_vl", character_tokenizer("abcdefghijklmnopqrstuvwxyz.:UAS \n"))
    checkpoint.save(made.model, made.tokenizer, made.config, tmp_path / "model", made.images)
    rows = []
    for number in range(12):
        name = list(COLOURS)[number % 3]
        Image.new("RGB", (16 + 8 * (number % 2), 16), COLOURS[name]).save(tmp_path / f"{number}.png")
        parts = [{"type": "image", "image": f"{number}.png"}, {"type": "text", "text": "what"}]
        turns = [{"role": "user", "content": parts if number % 3 else "who"}]
        rows.append({"messages": [*turns, {"role": "assistant", "content": name}]})
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return tmp_path


def run(given, **more) -> RunFolder:
    spec = TrainSpec.parse(
        {
            "kind": "train",
            "model": {"path": str(given / "model")},
            "data": {"path": str(given / "d.jsonl"), "max_length": 64, "validation": 0.2},
            "optimisation": {"steps": 3, "batch_size": 4, "learning_rate": 1e-2},
            "report": {"log_every": 1},
            "launcher": {"device": "cpu"},
            **more,
        }
    )
    folder = RunFolder.create(given / "runs", "train", spec.model_dump(mode="json"))
    train.train(Process(folder, folder.new_attempt(), spec))
    return folder


def test_a_preview_shows_the_places_of_pictures(given):
    """16 x 16 pixels in squares of 8 are four tokens, 24 x 16 are six."""
    data = {"path": str(given / "d.jsonl"), "max_length": 64}
    told = preview(PreviewAsk.parse({"data": data, "model": {"path": str(given / "model")}, "rows": 3}))
    assert [row["kinds"].count("image") for row in told["rows"]] == [0, 6, 4]
    for row in told["rows"]:
        assert "image" not in {k for m, k in zip(row["masked"], row["kinds"], strict=True) if m}
    with pytest.raises(DataError, match="this row has images, but the model reads text only"):
        preview(PreviewAsk.parse({"data": data, "model": {"path": STORIES}}))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_it_trains_with_the_encoder_frozen(method, given):
    folder = run(given, tuning={"method": method, "rank": 2})
    events = [event for _, event in read_events(folder.events)]
    losses = [e["values"]["loss"] for e in events if e["event"] == "metrics" and "loss" in e["values"]]
    assert len(losses) == 3 and all(loss > 0 for loss in losses)
    before, after = checkpoint.load(given / "model"), checkpoint.load(folder.model)
    assert after.images.files == before.images.files
    old, new = before.model.state_dict(), after.model.state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved and not [name for name in moved if ".visual." in name and "merger" not in name]


def test_an_objective_with_a_pattern_of_its_own_is_refused(given):
    with pytest.raises(SpecError, match="objective: bd3lm attends by a pattern of its own"):
        run(given, objective={"name": "bd3lm"})
