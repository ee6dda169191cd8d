"""Averaged weights: the rule by hand, in the model's place for a while, and through a checkpoint."""

import pytest
import torch
from torch import nn
from transformers import TrainerControl, TrainerState

from jobs.programs.training.averages import Average

EVENT = (None, TrainerState(), TrainerControl())


def averaged(decay=0.9):
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    found = Average(model, decay)
    found.on_train_begin(*EVENT)
    return model, found


def set_to(model, value):
    with torch.no_grad():
        model.weight.fill_(value)


def test_the_rule_by_hand():
    model, average = averaged()
    expected = 1.0
    for number, value in enumerate([2.0, 3.0, 5.0], start=1):
        set_to(model, value)
        average.on_step_end(*EVENT)
        decay = min(0.9, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * value
    assert average.values["weight"].item() == pytest.approx(expected)


def test_the_weights_change_places_and_come_back():
    model, average = averaged()
    set_to(model, 7.0)
    with pytest.raises(RuntimeError), average.in_place():
        assert model.weight.item() == 1.0
        raise RuntimeError
    assert model.weight.item() == 7.0


def test_a_checkpoint_keeps_them(tmp_path):
    model, average = averaged()
    set_to(model, 3.0)
    average.on_step_end(*EVENT)
    average.save(tmp_path)
    other, again = averaged()
    again.load(tmp_path)
    for one in (average, again):
        one.on_train_begin(*EVENT)  # does not begin anew
        set_to(model, 9.0)
        set_to(other, 9.0)
        one.on_step_end(*EVENT)
    assert again.values["weight"].item() == pytest.approx(average.values["weight"].item())
