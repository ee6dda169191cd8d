"""Settings of a training beside its optimizer: noise on embeddings, what is kept of activations, averages."""

import shutil
from importlib.util import find_spec

import pytest
import torch

from jobs.models import checkpoint
from jobs.programs import train
from jobs.programs.training.validation import Validation
from jobs.protocol.events import read_events
from tests.fakes.small_training import begin, go_on, losses

pytestmark = pytest.mark.thorough  # whole trainings, though short ones

AVERAGES = {
    "its own": {"ema_decay": 0.9},
    "the optimizer's": {"optimizer": "schedule_free", "lr_schedule": "constant"},
}


@pytest.fixture
def scored(monkeypatch):
    """Every model that is validated, with whether two looks at the same text agree there."""
    found = []
    score = Validation.__call__

    def look(self, model):
        ids = torch.arange(8)[None]
        with torch.no_grad():
            model.eval()
            pair = [model(input_ids=ids, use_cache=False).logits for _ in range(2)]
            model.train()
            noisy = [model(input_ids=ids, use_cache=False).logits for _ in range(2)]
        found.append((torch.equal(*pair), torch.equal(*noisy), pair[0]))
        return score(self, model)

    monkeypatch.setattr(train.Validation, "__call__", look)
    return found


def validated(tmp_path, **changes):
    """A run with validation before, in the middle and after."""
    run = begin(tmp_path, validation=0.3, report={"log_every": 1, "evaluate_every": 2}, **changes)
    assert go_on(run) == "succeeded"
    return run


def test_noise_on_embeddings_is_in_training_alone(tmp_path, scored):
    run = validated(tmp_path, optimisation={"neftune_alpha": 5})
    assert [same for same, _, _ in scored] == [True, True, True]
    assert [same for _, same, _ in scored] == [False, False, True], "none is left after the last step"
    assert losses(run) != losses(validated(tmp_path))


def test_the_average_is_what_is_validated_and_saved(tmp_path, scored):
    run = validated(tmp_path, optimisation={"ema_decay": 0.9})
    saved = checkpoint.load(run.model).model
    with torch.no_grad():
        logits = saved(input_ids=torch.arange(8)[None], use_cache=False).logits
    torch.testing.assert_close(logits, scored[-1][2])
    plain = validated(tmp_path)
    assert losses(plain) == pytest.approx(losses(run)), "training itself is the same"
    before, _, after = scores(run)
    assert before == scores(plain)[0] and after != scores(plain)[2]


@pytest.mark.parametrize("kind", AVERAGES)
def test_a_run_killed_before_it_saved_still_saves_its_average(kind, tmp_path):
    if kind != "its own" and find_spec("schedulefree") is None:
        pytest.skip("schedulefree is not installed")
    run = begin(tmp_path, optimisation=AVERAGES[kind], report={"log_every": 1, "save_every": 2})
    assert go_on(run) == "succeeded"
    first = checkpoint.load(run.model).model.state_dict()
    shutil.rmtree(run.model)
    assert go_on(run) == "succeeded"
    second = checkpoint.load(run.model).model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def scores(run):
    events = [event for _, event in read_events(run.events) if event["event"] == "metrics"]
    return [e["values"]["validation_loss"] for e in events if "validation_loss" in e["values"]]
