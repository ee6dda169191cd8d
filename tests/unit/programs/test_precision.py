"""The probe of bfloat16: what it counts, and how it is asked for while others are served."""

import copy

import pytest
import torch

from jobs.models import checkpoint
from jobs.programs.precision import Precision, probe
from jobs.programs.process import Process
from jobs.programs.serving.desk import Desk
from jobs.programs.serving.models import Models
from jobs.protocol.errors import JobError
from jobs.protocol.folder import RunFolder
from jobs.specs.job import ServeSpec


@pytest.fixture
def folder(text_model, tmp_path):
    checkpoint.save(text_model.model, text_model.tokenizer, text_model.config, tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def desk(tmp_path):
    spec = ServeSpec(kind="serve", idle_seconds=5)
    run = RunFolder.create(tmp_path / "runs", "serve", spec.model_dump(mode="json"))
    made = Desk(Process(run, run.new_attempt(), spec), Models(torch.device("cpu"), "auto"))
    made.start()
    yield made
    made.close(20.0)


def test_a_model_agrees_with_itself_on_every_masked_position(text_model):
    found = probe(text_model, text_model)
    assert found.predictions == 32 + 25 + 18 + 12 + 6  # a share of them is written after each of five passes
    assert found.same == found.predictions


def test_another_model_does_not(text_model):
    other = copy.deepcopy(text_model)
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    assert probe(text_model, other).same < probe(text_model, other).predictions


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ((2.9, 1.0), "bfloat16 is 2.9 times as fast here; 96 of 100 predictions are the same."),
        ((1.0, 3.1), "bfloat16 takes 3.1 times as long here; 96 of 100 predictions are the same."),
    ],
)
def test_it_is_told_in_words(seconds, said):
    assert Precision(*seconds, predictions=100, same=96, device="cpu").words == said


@pytest.mark.thorough
def test_the_server_compares_and_then_holds_what_it_is_told_to(desk, folder):
    found = desk.probe(folder)
    assert 0 < found.same <= found.predictions
    assert desk.models.get(folder).model.dtype == torch.float32  # the default stays
    desk.load(folder, "bfloat16")
    assert desk.models.get(folder).model.dtype == torch.bfloat16
    assert desk.probe(folder).predictions == found.predictions  # whichever of the two is held


def test_what_cannot_be_compared_is_a_sentence(desk, tmp_path):
    with pytest.raises(JobError, match="There is no model in"):
        desk.probe(str(tmp_path / "none"))
