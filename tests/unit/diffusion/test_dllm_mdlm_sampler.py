"""What makes dLLM's sampler dLLM's: rounding by a schedule, blocks, and tokens that wait."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers.dllm_mdlm import blocks_of, due_tokens, sample
from jobs.diffusion.schedules import SCHEDULES
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import DllmMDLMSampler

from .stub import always, drive

MASK = 3
CONFIG = DiffusionConfig(mask_token_id=MASK)
# four positions, three words and the mask: words 0, 1, 2 are the likeliest at 0; 1; 2 and 3
SAYS = torch.tensor(
    [[0.9, 0.05, 0.04, 0.01], [0.3, 0.6, 0.09, 0.01], [0.1, 0.2, 0.69, 0.01], [0.2, 0.2, 0.5, 0.1]]
)


@pytest.mark.parametrize(
    ("count", "steps", "schedule", "due"),
    [
        (16, 4, "linear", [4, 4, 4, 4]),
        (10, 4, "linear", [2, 3, 2, 3]),  # 2.5 and 2.5 round to the even 2; 8/3 to 3
        (
            3,
            8,
            "linear",
            [1, 1, 1],
        ),  # 3/8 -> 0, 3/7 -> 0, 3/6 -> 0, 3/5 -> 1, 2/4 -> 0, 2/3 -> 1, 1/2 -> 0, 1
        (8, 2, "cosine", [2, 6]),  # hidden falls from 1 to cos(pi/4): 8 (1 - 0.707) = 2.34
        (0, 4, "linear", []),
    ],
)
def test_as_many_tokens_as_the_schedule_expects(count, steps, schedule, due):
    assert due_tokens(count, steps, SCHEDULES[schedule]) == due


def test_drawn_numbers_vary_add_up_and_are_the_seeds():
    def drawn(seed: int) -> list[int]:
        return due_tokens(40, 5, SCHEDULES["linear"], Draws(torch.Generator().manual_seed(seed)))

    assert drawn(1) == drawn(1) and len({tuple(drawn(seed)) for seed in range(9)}) > 1
    assert all(sum(drawn(seed)) == 40 for seed in range(20))
    assert sum(drawn(seed)[0] for seed in range(200)) / 200 == pytest.approx(8, abs=0.7)


@pytest.mark.parametrize(
    ("options", "blocks", "steps"),
    [
        ({"blocks_from": "mask"}, [[-1, -1, 0, 0, 1], [-1, 0, -1, -1, -1]], [3, 6]),
        ({"blocks_from": "start"}, [[-1, -1, 1, 1, 2], [-1, 0, -1, -1, -1]], [2, 3]),
        ({"blocks_from": "start", "quota": "batch"}, [[-1, -1, 1, 1, 2], [-1, 0, -1, -1, -1]], [2, 2]),
        ({"block_size": None}, [[-1, -1, 0, 0, 0], [-1, 0, -1, -1, -1]], [6, 6]),
    ],
)
def test_blocks_begin_at_the_first_mask_or_the_first_token(options, blocks, steps):
    """Two texts of five and three tokens; the second is padded on the right."""
    ids = torch.tensor([[0, 1, MASK, MASK, MASK], [1, MASK, 0, 0, 0]])
    start = Start(ids, CONFIG, torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]))
    block_BL, steps_B = blocks_of(start, DllmMDLMSampler(**{"steps": 6, "block_size": 2, **options}))
    assert block_BL.tolist() == blocks and steps_B == steps


def test_the_surest_are_written_first_and_some_tokens_last():
    def order(**options) -> list[list[int]]:
        start = Start(torch.full((1, 4), MASK), CONFIG)
        settings = DllmMDLMSampler(steps=4, max_new_tokens=4, block_size=4, **options)
        steps, forwards = drive(sample(start, settings), always(SAYS))
        assert len(forwards) == len(steps) == 4
        return [step.revealed[0].nonzero().flatten().tolist() for step in steps]

    assert order() == [[0], [2], [1], [3]]
    assert order(begin_suppress_tokens=[0]) == [[1], [2], [3], [0]]  # 0.6 / 0.7, 0.69 / 0.9, 0.5 / 0.8


def test_guidance_hides_what_was_given_but_for_the_tokens_to_keep():
    start = Start(torch.tensor([[0, 1, MASK, MASK]]), CONFIG)
    settings = DllmMDLMSampler(steps=1, max_new_tokens=2, cfg_scale=1.0, cfg_keep_tokens=[1])
    _, (forward,) = drive(sample(start, settings), always(SAYS))
    assert forward.passes == 2 and forward.ids.tolist() == [[0, 1, MASK, MASK], [MASK, 1, MASK, MASK]]


def test_a_token_that_the_model_has_not_is_refused():
    settings = DllmMDLMSampler(begin_suppress_tokens=[4])
    with pytest.raises(SpecError, match="no token 4; the model has 4"):
        drive(sample(Start(torch.full((1, 4), MASK), CONFIG), settings), always(SAYS))
