"""ReMDM: how much is written and masked again, by hand and in the mean."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start, remdm
from jobs.diffusion.samplers.remdm import chances
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import ReMDMSampler

from .conftest import MASK
from .stub import drive
from .test_fast_dllm_sampler import GIVEN, sure


class Told(Draws):
    """Answers with chosen numbers, a list for the columns asked for; then with 0.5."""

    def __init__(self, numbers: list[list[float]]):
        super().__init__()
        self.numbers = numbers

    def uniform(self, ids, at, vocabulary=None):
        assert vocabulary is None, "at temperature 0 no token is drawn"
        numbers = self.numbers.pop(0) if self.numbers else [0.5] * len(at)
        assert len(numbers) == len(at)
        return torch.tensor([numbers])


def start(ids: list[int], draws: Draws) -> Start:
    return Start(torch.tensor([ids]), DiffusionConfig(mask_token_id=MASK), None, draws)


@pytest.mark.parametrize(
    ("settings", "time", "later", "expected"),
    [
        # Of half the text that stands 0.1 is masked again; to reach 0.6 of it, 0.15 of 0.5 must be written.
        ({"strategy": "cap", "eta": 0.1}, 0.5, 0.4, (0.3, 0.1)),
        ({"strategy": "cap", "eta": 1.0}, 0.5, 0.4, (1.0, 0.8)),  # all masks, so 0.4 of 0.5 at most
        ({"strategy": "rescale", "eta": 0.1}, 0.5, 0.4, (0.28, 0.08)),
        ({"strategy": "conf"}, 0.5, 0.4, (0.2, 0.8)),
        ({"strategy": "cap", "eta": 0}, 0.5, 0.4, (0.2, 0.0)),  # MDLM
        ({"strategy": "cap", "eta": 0.1}, 1.0, 0.9, (0.1, 0.1)),  # nothing stands yet
        ({"strategy": "loop"}, 0.8, 0.7, (1 / 3, 0.0)),  # from 0.4 to 0.6, as MDLM
        ({"strategy": "loop"}, 0.3, 0.2, (0.18, 0.02)),  # 0.9 x 0.02 of 0.1
        # From 0.9 to 0.94, which leaves 0.06 that can be masks and so 0.0667 of 0.9 that can be masked again.
        ({"strategy": "loop", "eta": 0.1}, 0.06, 0.03, (1.0, 0.06 / 0.9)),
        ({"strategy": "loop"}, 0.04, 0.03, (0.25, 0.0)),  # from 0.92 to 0.94
    ],
)
def test_what_a_step_does(settings, time, later, expected):
    assert chances(ReMDMSampler(**settings), time, later) == pytest.approx(expected, abs=1e-6)


def test_steps_by_hand():
    """Three steps of `cap` with eta 0.5: a mask is written with probability 1/3, 0.75 and 0.99997, a token
    masked again with 0.5 in the second, next to never in the third; what is left is filled at the end."""
    told = Told([[0.33, 0.34, 0.3], [0.74], [0.49, 0.51], [0.99999]])
    options = ReMDMSampler(strategy="cap", eta=0.5, steps=3, temperature=0, top_p=None)
    steps, forwards = drive(remdm.sample(start([GIVEN, MASK, MASK, MASK], told), options), sure([0.9] * 4))
    assert [step.ids[0].tolist() for step in steps] == [
        [GIVEN, 2, MASK, 2],
        [GIVEN, MASK, 2, 2],
        [GIVEN, 2, 2, 2],
    ]
    assert [step.revealed[0].nonzero().flatten().tolist() for step in steps] == [[1, 3], [2], [1]]
    assert steps[1].remasked is not None and steps[1].remasked[0].tolist() == [False, True, False, False]
    assert steps[0].remasked is None and len(forwards) == 3 and not told.numbers


def test_a_step_that_only_masks_asks_nothing():
    told = Told([[0.0, 0.6], [0.99], [0.0], [0.9, 0.9]])
    options = ReMDMSampler(strategy="cap", eta=0.5, steps=3, temperature=0, top_p=None)
    steps, forwards = drive(remdm.sample(start([MASK, MASK], told), options), sure([0.9] * 2))
    assert [step.ids[0].tolist() for step in steps] == [[2, MASK], [MASK, MASK], [2, 2]]
    assert steps[1].remasked is not None and not steps[1].revealed.any() and len(forwards) == 2


@pytest.mark.parametrize(("number", "expected"), [(0.45, [2, MASK]), (0.35, [MASK, MASK]), (0.65, None)])
def test_conf_masks_again_what_the_model_was_less_sure_of(number, expected):
    """In the second of three steps sigma is 1, shared by softmax of -0.9 and -0.5: 0.401 and 0.599."""
    options = ReMDMSampler(strategy="conf", steps=3, temperature=0, top_p=None)
    told = Told([[0.0, 0.0], [number, number]])
    steps, _ = drive(remdm.sample(start([MASK, MASK], told), options), sure([0.9, 0.5]))
    masked_again = [step.ids[0].tolist() for step in steps if step.remasked is not None]
    assert masked_again == ([] if expected is None else [expected])


@pytest.mark.parametrize("strategy", ["cap", "rescale", "loop"])
def test_the_share_that_is_written_follows_the_schedule(strategy):
    """The point of the method: masking again changes nothing in what is seen at any one time, so a model that
    was trained without it can be used. Over 20 000 independent positions a share is right to 0.015."""
    options = ReMDMSampler(strategy=strategy, eta=0.1, steps=20, top_p=None, t_on=0.52, t_off=0.25)
    length = 20_000
    begun = start([MASK] * length, Draws(torch.Generator().manual_seed(0)))
    steps, _ = drive(remdm.sample(begun, options), sure([0.7] * length))
    times = torch.linspace(1, remdm.LAST_TIME, 21).tolist()
    for step, later in zip(steps, times[1:], strict=False):
        expected = remdm.written_share(options, later)
        assert (step.ids != MASK).float().mean().item() == pytest.approx(expected, abs=0.015)
    assert len(steps) >= 20
    assert any(step.remasked is not None for step in steps)
    assert (steps[-1].ids == 2).float().mean().item() == pytest.approx(0.7, abs=0.015)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"early_exit": True}, "set it to false"),
        ({"t_on": 0.2, "t_off": 0.3}, "must be below t_on"),
        ({"eta": 0.2}, "lower it to 0.111"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, says):
    with pytest.raises(SpecError, match=says):
        ReMDMSampler.parse(settings)
