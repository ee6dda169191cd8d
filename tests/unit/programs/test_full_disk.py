"""A training whose checkpoint finds no room, and how well the room that it takes was foretold."""

import errno
from pathlib import Path

import pytest
import torch

from jobs.protocol.errors import ResourceError
from jobs.protocol.folder import RunFolder
from jobs.specs.job import TrainSpec
from jobs.specs.sizes import sizes_of
from jobs.specs.storage import of_training
from tests.fakes.small_training import MODEL, begin, go_on

pytestmark = pytest.mark.thorough  # whole trainings, though short ones

WIDE = {**MODEL, "config": {**MODEL["config"], "hidden_size": 64, "intermediate_size": 128}}


def size(run: RunFolder, name: str) -> int:
    return sum(path.stat().st_size for path in (run.path / name).rglob("*") if path.is_file())


def test_a_checkpoint_without_room_ends_the_training_and_leaves_the_one_before(tmp_path, monkeypatch):
    run = begin(tmp_path, optimisation={"steps": 4}, report={"log_every": 1, "save_every": 2})
    save, calls = torch.save, []

    def full(what, file, *given, **more):
        if "checkpoint-4" in str(file):
            Path(file).write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        calls.append(file)
        save(what, file, *given, **more)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ResourceError, match="checkpoint-4 could not be written: the disk is full"):
        go_on(run)
    assert [path.name for path in run.checkpoints.iterdir()] == ["checkpoint-2"] and calls
    monkeypatch.setattr(torch, "save", save)
    assert go_on(run) == "succeeded" and run.model.is_dir()


@pytest.mark.parametrize(
    ("changes", "within"),
    [
        ({}, 0.1),
        (
            {"tuning": {"method": "lora", "rank": 16}},
            0.25,
        ),  # small: what stands beside the values weighs more
    ],
)
def test_what_it_writes_is_what_was_foretold(tmp_path, changes, within):
    run = begin(tmp_path, {"new": WIDE}, report={"save_every": 2, "keep_checkpoints": 2}, **changes)
    assert go_on(run) == "succeeded"
    sizes = sizes_of({**WIDE["config"], "vocab_size": 36, "model_type": "llama"})
    told = of_training(TrainSpec.parse(run.spec()), sizes)
    found = {"checkpoints": size(run, "checkpoints"), "the finished model": size(run, "model")}
    print(told, found)
    for part, wanted in told.items():
        assert found[part] == pytest.approx(wanted, rel=within), part
