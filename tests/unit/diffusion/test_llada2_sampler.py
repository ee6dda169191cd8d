"""What makes LLaDA2's samplers LLaDA2's: thresholds, shares of a block, and tokens that are replaced."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers.llada2 import sample, sample_editing
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import LLaDA2Sampler, LLaDA21Sampler

from .stub import always, drive

MASK, EOS = 3, 2
CONFIG = DiffusionConfig(mask_token_id=MASK, block_size=4)
# four positions, three words and the mask: the likeliest words have 0.9, 0.6, 0.7 and 0.5
SAYS = torch.tensor(
    [[0.9, 0.05, 0.04, 0.01], [0.3, 0.6, 0.09, 0.01], [0.1, 0.7, 0.19, 0.01], [0.5, 0.2, 0.2, 0.1]]
)


def canvas(*rows: list[int], eos: int | None = None) -> Start:
    return Start(torch.tensor(rows), CONFIG, draws=Draws(torch.Generator().manual_seed(0)), eos_id=eos)


def revealed(sampler, model) -> list[list[list[int]]]:
    """The columns that each step revealed, a row after the other."""
    return [[row.nonzero().flatten().tolist() for row in step.revealed] for step in drive(sampler, model)[0]]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"threshold": 0.65}, [[0, 2], [1], [3]]),  # two are sure; then none is, and one is due
        ({"threshold": 0.6}, [[0, 2], [1], [3]]),  # 0.6 is not above 0.6
        ({"threshold": 0.4}, [[0, 1, 2, 3]]),
        ({"threshold": 1.0}, [[0], [2], [1], [3]]),
        ({"threshold": 0.85, "steps_per_block": 2}, [[0, 2], [1, 3]]),  # one is sure, two are due
        ({"threshold": 1.0, "steps_per_block": 3}, [[0, 2], [1], [3]]),  # 2, 1, 1
        ({"threshold": 1.0, "minimal_topk": 2, "max_new_tokens": 4}, [[0, 2], [1, 3]]),  # 4 / 2 passes
        ({"threshold": 0.9, "top_k": 1}, [[0, 1, 2, 3]]),  # alone, each is certain
        ({"threshold": 0.65, "top_p": 0.5}, [[0, 1, 2, 3]]),  # 0.5 is not over 0.5 before the second: 5 / 7
    ],
)
def test_all_that_is_sure_is_written_or_what_is_due(options, steps):
    sampler = sample(canvas([MASK] * 4), LLaDA2Sampler(use_cache="none", **options))
    assert revealed(sampler, always(SAYS)) == [[step] for step in steps]


def test_each_row_decides_for_itself():
    start = canvas([MASK] * 4, [0, MASK, MASK, 1])
    sampler = sample(start, LLaDA2Sampler(use_cache="none", threshold=0.65))
    assert revealed(sampler, always(SAYS)) == [[[0, 2], [2]], [[1], [1]], [[3], []]]


def test_the_first_block_may_hold_the_end_of_the_prompt_and_the_last_may_be_short():
    start = canvas([0, 1, 0, MASK, MASK, MASK])
    sampler = sample(start, LLaDA2Sampler(use_cache="none", threshold=0.0, steps_per_block=4))
    steps, forwards = drive(sampler, always(SAYS[[0, 1, 2, 3, 0, 1]]))
    assert [step.revealed[0].nonzero().flatten().tolist() for step in steps] == [[3], [4, 5]]
    assert [f.ids.shape[1] for f in forwards] == [4, 6] and [step.block for step in steps] == [0, 1]
    assert forwards[0].blocks.tolist() == [[0, 0, 0, 0]] and forwards[1].blocks.tolist() == [
        [0, 0, 0, 0, 1, 1]
    ]


def test_more_tokens_a_pass_than_there_are_to_write_is_refused():
    with pytest.raises(SpecError, match=r"minimal_topk \(9\) leaves no pass for 8 new tokens; set it to 8"):
        LLaDA2Sampler.parse({"max_new_tokens": 8, "minimal_topk": 9})


def by_masks(table: dict[int, Tensor]):
    """A model whose opinion depends on how many masks it sees."""
    return lambda ids: table[int((ids == MASK).sum())].log()[None].clone()


def flat(*words: tuple[int, float]) -> Tensor:
    """[L, V] for each position one word with its probability, the rest shared by the others."""
    says = torch.stack([torch.full((4,), (1 - p) / 3) for _, p in words])
    for position, (word, p) in enumerate(words):
        says[position, word] = p
    return says


UNSURE = (0, 0.3)
# with two masks, position 2 becomes a 0; with one, position 3 a 1, and position 2 is rather a 1; then quiet
CHANGING = {
    2: flat(UNSURE, UNSURE, (0, 0.8), (1, 0.6)),
    1: flat((1, 0.99), UNSURE, (1, 0.95), (1, 0.6)),
    0: flat((1, 0.99), UNSURE, (1, 0.95), (1, 0.6)),
}


def test_a_written_token_is_replaced_by_one_that_is_sure_and_a_given_one_never():
    start = canvas([0, 1, MASK, MASK])
    options = LLaDA21Sampler(use_cache="none", threshold=0.7, editing_threshold=0.9)
    steps, forwards = drive(sample_editing(start, options), by_masks(CHANGING))
    assert [step.ids[0].tolist() for step in steps] == [[0, 1, 0, MASK], [0, 1, 1, 1]]
    assert steps[0].edited is None and steps[1].edited.tolist() == [[False, False, True, False]]
    assert steps[1].revealed.tolist() == [[False, False, False, True]]
    assert (
        steps[1].probability[0, 2] == pytest.approx(0.95) and len(forwards) == 3
    )  # the last one changed nothing


def test_below_the_editing_threshold_nothing_is_replaced():
    options = LLaDA21Sampler(use_cache="none", threshold=0.7, editing_threshold=0.95)
    steps, _ = drive(sample_editing(canvas([0, 1, MASK, MASK]), options), by_masks(CHANGING))
    assert steps[-1].ids[0].tolist() == [0, 1, 0, 1] and all(step.edited is None for step in steps)


@pytest.mark.parametrize(("most", "passes"), [(0, 1), (1, 2), (5, 6)])
def test_a_model_that_never_settles_is_left_after_the_last_pass(most, passes):
    """It always wants the other word."""

    def restless(ids: Tensor) -> Tensor:
        return flat(*[((1 - int(token)) if token < 2 else 0, 0.99) for token in ids[0]]).log()[None]

    options = LLaDA21Sampler(use_cache="none", threshold=0.5, editing_threshold=0.5, max_post_steps=most)
    steps, forwards = drive(sample_editing(canvas([MASK] * 4), options), restless)
    assert len(forwards) == len(steps) == passes
    assert all(step.edited.all() for step in steps[1:])


@pytest.mark.parametrize("early_exit", [True, False])
def test_a_text_that_may_be_edited_is_closed_when_its_block_is_left(early_exit):
    """Row 0 ends in its first block, row 1 does not: it goes on alone."""
    ends = flat((0, 0.9), (EOS, 0.9), (1, 0.9), (1, 0.9), *[(0, 0.9)] * 4)
    goes_on = flat(*[(1, 0.9)] * 8)
    start = canvas([MASK] * 8, [MASK] * 8, eos=EOS)
    options = LLaDA21Sampler(use_cache="none", threshold=0.5, early_exit=early_exit)
    steps, _ = drive(
        sample_editing(start, options), lambda ids: torch.stack([ends, goes_on])[:, : ids.shape[1]].log()
    )
    assert steps[-1].ids[1].tolist() == [1] * 8
    if early_exit:
        assert steps[-1].closed.tolist() == [[False] * 4 + [True] * 4, [False] * 8]
        assert steps[-1].ids[0].tolist() == [0, EOS, 1, 1] + [EOS] * 4
    else:
        assert steps[-1].closed is None and steps[-1].ids[0].tolist() == [0, EOS, 1, 1, 0, 0, 0, 0]
