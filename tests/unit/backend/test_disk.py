"""The disk guard: what cannot be saved is announced, and does not start."""

import pytest

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from backend.studio import Studio
from jobs.executors import InlineExecutor
from jobs.protocol.errors import ResourceError
from jobs.protocol.states import State
from tests.fakes.model_folders import make_model
from tests.fakes.studio import slots

MIB = 2**20
TRAIN = {
    "kind": "train",
    "model": {"new": {"architecture": "qwen2", "config": {}, "tokenizer": "characters:1234"}},
    "data": {"builder": "sudoku", "options": {"size": 4}},
    "report": {"save_every": 10},
}
CONFIG = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
TRAIN["model"]["new"]["config"] = CONFIG


@pytest.fixture
def studio(studio_home):
    with Studio(
        studio_home, executor=InlineExecutor({"train": lambda run, attempt: 1}), census=slots(2)
    ) as studio:
        yield studio


def free(studio, mib):
    studio.disk._free = lambda path: int(mib * MIB)


def start_all(studio):
    Scheduler(studio.store, studio.runs, studio.executor, before_start=studio._last_look).tick()
    Reconciler(studio.store, studio.runs, studio.executor).tick()


def needed(studio):
    return studio.disk.room(studio.resolver(studio.jobs._parsed(TRAIN))).needed / MIB


def test_with_room_it_starts_and_nothing_is_said(studio):
    free(studio, needed(studio) + 9)
    assert not any("to write" in note for note in studio.training.preview(TRAIN).notes)
    job = studio.jobs.submit(TRAIN)
    start_all(studio)
    assert studio.jobs.get(job.id).failure == "program", "the program itself was called"


def test_without_room_it_is_announced_and_then_refused_with_both_figures(studio):
    assert 100 < needed(studio) < 150, "three checkpoints of 3 M values, and the model"
    free(studio, 20)
    (note,) = [note for note in studio.training.preview(TRAIN).notes if "to write" in note]
    assert "20 MiB are free" in note and "will not start" in note
    job = studio.jobs.submit(TRAIN)
    start_all(studio)
    job = studio.jobs.get(job.id)
    assert (job.state, job.failure) == (State.FAILED, "resource")
    assert f"{needed(studio):.0f} MiB to write" in job.reason and "20 MiB are free" in job.reason
    assert "report.keep_checkpoints" in job.reason
    free(studio, 1000)
    studio.jobs.resume(job.id)
    start_all(studio)
    assert studio.jobs.get(job.id).failure == "program", "room was made, and it was tried again"


def test_what_an_earlier_attempt_wrote_is_not_counted_twice(studio):
    run = studio.jobs.folder(studio.jobs.submit(TRAIN).id)
    spec = studio.jobs._parsed(TRAIN)
    before = studio.disk.room(spec, run).needed
    (run.checkpoints / "checkpoint-10").mkdir(parents=True)
    (run.checkpoints / "checkpoint-10" / "model.safetensors").write_bytes(bytes(5 * MIB))
    assert studio.disk.room(spec, run).needed == before - 5 * MIB


def test_what_running_jobs_have_yet_to_write_is_spoken_for(studio, monkeypatch):
    studio.jobs.submit(TRAIN)
    monkeypatch.setattr(InlineExecutor, "submit", lambda *_: None)
    Scheduler(studio.store, studio.runs, studio.executor).tick()
    room = studio.disk.room(studio.jobs._parsed(TRAIN))
    assert room.others == room.needed
    free(studio, 1.5 * needed(studio))
    assert "of which running jobs will take" in studio.disk.room(studio.jobs._parsed(TRAIN)).problem


def test_the_folder_of_another_job_that_cannot_be_read_keeps_none_from_starting(studio):
    other = studio.jobs.submit(TRAIN)
    Scheduler(studio.store, studio.runs, studio.executor).claim()
    studio.jobs.folder(other.id).spec_json.write_text("{")
    assert studio.disk.room(studio.jobs._parsed(TRAIN)).others > 0


def test_a_conversion_is_as_large_as_what_it_reads(studio):
    make_model(studio.home / "models" / "donor", dllm=False)
    convert = studio.jobs._parsed({"kind": "convert", "source": "donor"})
    size = (studio.home / "models" / "donor" / "model.safetensors").stat().st_size
    assert studio.disk.room(convert).parts == {"the converted model": size}
    free(studio, 8)
    with pytest.raises(ResourceError, match="Free space, or move the home folder"):
        studio.disk.refuse(studio.jobs.folder(studio.jobs.submit(convert).id), convert)


def test_prepared_data_goes_where_the_spec_says(studio, tmp_path):
    (tmp_path / "text.txt").write_text("some words\n" * 1000)
    data = {"path": str(tmp_path / "text.txt")}
    spec = {"kind": "prepare", "data": data, "tokenizer": "stories", "folder": str(tmp_path / "not" / "yet")}
    room = studio.disk.room(studio.jobs._parsed(spec))
    assert (room.folder, room.parts) == (str(tmp_path), {"prepared data": 5500})


@pytest.mark.parametrize(
    "spec",
    [{"kind": "serve"}, {**TRAIN, "report": {"probe_of": 5}}, {"kind": "convert", "source": "owner/name"}],
)
def test_nothing_is_said_where_nothing_is_known(studio, spec):
    assert studio.disk.room(studio.jobs._parsed(spec)) is None
