"""What holds for every sampling, whatever the settings."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.diffusion import canvas
from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers.base import Draws, Start, Step, quotas
from jobs.diffusion.samplers.llada import plan
from jobs.diffusion.unmask import unmask
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import LLaDASampler

from .conftest import EOS, MASK, WORDS, tiny

pytestmark = pytest.mark.thorough

PAD = 21
KINDS = ["llama", "gpt2"]


def run(denoiser, ids, mask=None, seed=0, **options) -> list[Step]:
    fixed = {"steps": 8, "max_new_tokens": 16, "block_size": 16, "early_exit": False}
    draws = Draws(torch.Generator().manual_seed(seed))
    start = Start(ids, denoiser.config, mask, draws, EOS, 20, want_details=True)
    return list(unmask(denoiser, start, LLaDASampler(**{**fixed, **options})))


@st.composite
def valid_settings(draw) -> dict:
    block = draw(st.integers(1, 8))
    blocks = draw(st.integers(1, 4))
    return {
        "block_size": block,
        "max_new_tokens": block * blocks,
        "steps": blocks * draw(st.integers(1, 10)),
        "temperature": draw(st.sampled_from([0.0, 0.7, 2.0])),
        "cfg_scale": draw(st.sampled_from([0.0, 1.5])),
        "remasking": draw(st.sampled_from(["low_confidence", "random"])),
        "suppress_eos": draw(st.booleans()),
        "delay_eos": draw(st.booleans()),
    }


@st.composite
def canvases(draw) -> torch.Tensor:
    """[B, L] ids with masks anywhere, possibly none in a row."""
    rows, length = draw(st.integers(1, 3)), draw(st.integers(1, 24))
    cells = st.one_of(st.just(MASK), st.integers(0, PAD - 1))
    return torch.tensor([draw(st.lists(cells, min_size=length, max_size=length)) for _ in range(rows)])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=valid_settings(), ids=canvases(), grid=st.booleans(), seed=st.integers(0, 9))
def test_every_mask_is_filled_and_nothing_else_is_touched(make, options, ids, grid, seed):
    denoiser = make("llama", task="grid" if grid else "text")
    steps = run(denoiser, ids, seed=seed, **options)
    masks = ids == MASK
    if not masks.any():
        assert not steps
        return
    before, last = ids, steps[-1].ids
    assert not (last == MASK).any()
    assert torch.equal(last[~masks], ids[~masks])
    if options["suppress_eos"]:
        assert not (last[masks] == EOS).any()
    for index, step in enumerate(steps):
        assert step.index == index and step.nfe == (index + 1) * (1 if options["cfg_scale"] == 0 else 2)
        assert step.revealed.any(), "a step in which nothing happens is not taken"
        assert torch.equal(step.revealed, (before == MASK) & (step.ids != MASK))
        assert torch.equal(step.ids[~step.revealed], before[~step.revealed])
        assert ((step.probability > 0) <= step.revealed).all() and (step.probability <= 1).all()
        assert step.candidate_ids.shape == (int(step.revealed.sum()), 5)
        before = step.ids
    assert sum(int(step.revealed.sum()) for step in steps) == int(masks.sum())
    assert len(steps) <= int(masks.sum())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=valid_settings(), ids=canvases(), kind=st.sampled_from(KINDS))
def test_a_batch_equals_its_rows_alone(make, options, ids, kind):
    options = {**options, "temperature": 0.0, "remasking": "low_confidence"}
    together = run(make(kind), ids, **options)
    for row in range(len(ids)):
        alone = run(make(kind), ids[row : row + 1], **options)
        expected = together[-1].ids[row] if together else ids[row]
        assert torch.equal(alone[-1].ids[0] if alone else ids[row], expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cfg_scale", [0.0, 1.0])
def test_a_padded_batch_equals_its_prompts_alone(kind, cfg_scale, make):
    prompts = [[1, 2, 3, 4, 5, 6, 7], [8, 9], [10, 11, 12, 13]]
    options = {"steps": 8, "max_new_tokens": 8, "block_size": 4, "cfg_scale": cfg_scale}
    ids, mask = canvas.completion(prompts, 8, MASK, PAD)
    together = run(make(kind), ids, mask, **options)[-1].ids
    for row, prompt in enumerate(prompts):
        one, none = canvas.completion([prompt], 8, MASK, PAD)
        assert none is None
        assert torch.equal(run(make(kind), one, **options)[-1].ids[0], together[row, -len(prompt) - 8 :])


def test_the_same_seed_gives_the_same_text_and_another_seed_another(make):
    ids, _ = canvas.completion([[1, 2, 3]], 16, MASK, PAD)
    texts = [run(make(), ids, seed=s, temperature=1.5)[-1].ids for s in (1, 1, 2)]
    assert torch.equal(texts[0], texts[1]) and not torch.equal(texts[0], texts[2])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_that_loves_the_mask_token_cannot_write_it(temperature):
    model = tiny("llama")
    with torch.no_grad():
        model.lm_head.weight[MASK] = 50 * model.lm_head.weight[:MASK].abs().max()
        model.model.norm.weight.abs_()
    denoiser = Denoiser(model, DiffusionConfig(mask_token_id=MASK))
    ids = torch.full((2, 12), MASK)
    steps = run(denoiser, ids, temperature=temperature)
    assert not (steps[-1].ids == MASK).any()
    assert all((step.candidate_ids != MASK).all() for step in steps)


def test_it_stops_between_steps_when_asked(make):
    ids, _ = canvas.completion([[1, 2, 3]], 16, MASK, PAD)
    asked = iter([False, False, False, True])
    settings = LLaDASampler(steps=16, max_new_tokens=16, block_size=16)
    steps = list(unmask(make(), Start(ids, make().config), settings, should_stop=lambda: next(asked)))
    assert len(steps) == 3 and int((steps[-1].ids == MASK).sum()) == 13


def test_more_steps_than_masks_cost_no_forward(make):
    ids, _ = canvas.completion([[1]], 4, MASK, PAD)
    steps = run(make(), ids, steps=64, max_new_tokens=4, block_size=4)
    assert steps[-1].nfe == 4


def test_details_tell_candidates_and_entropy(make):
    denoiser = make()
    ids = torch.tensor([[1, MASK, 2, MASK, MASK, 3], [4, 5, 6, 7, 8, 9]])
    step = run(denoiser, ids, steps=3)[0]
    softmax = denoiser(ids).softmax(-1)
    entropy = -(softmax * softmax.log()).sum(-1)[0, ids[0] == MASK].mean()
    assert step.entropy[0].item() == pytest.approx(entropy.item(), rel=1e-4) and step.entropy[1].isnan()
    assert torch.equal(step.candidate_ids[:, 0], step.ids[step.revealed])
    assert torch.allclose(step.candidate_probability[:, 0], step.probability[step.revealed])
    assert (step.candidate_probability.diff(dim=1) <= 0).all()


def test_suppressed_and_delayed_ends(make):
    """Where the model wants to end everywhere: suppressed, it cannot; delayed, it does so last."""
    model = tiny("llama")
    with torch.no_grad():
        model.lm_head.weight[EOS] = model.lm_head.weight[1] * 1.05
    denoiser = Denoiser(model, DiffusionConfig(mask_token_id=MASK))
    ids = torch.full((1, 24), MASK)
    plain = run(denoiser, ids, steps=24, max_new_tokens=24, block_size=24)
    assert (plain[-1].ids == EOS).any(), "the toy must want to end"
    assert not (run(denoiser, ids, suppress_eos=True)[-1].ids == EOS).any()
    delayed = run(denoiser, ids, steps=24, max_new_tokens=24, block_size=24, delay_eos=True)
    wrote_end = [int(step.ids[step.revealed][0]) == EOS for step in delayed]
    assert any(wrote_end)
    first = wrote_end.index(True)
    other = denoiser(delayed[first - 1].ids).argmax(-1)[delayed[first - 1].ids == MASK]
    assert (other == EOS).all(), "no other position was left when it first ended"


def test_quotas_share_out_evenly_with_the_rest_first():
    assert quotas(10, 4) == [3, 3, 2, 2] and quotas(2, 4) == [1, 1, 0, 0] and quotas(0, 3) == [0, 0, 0]
    assert all(sum(quotas(n, s)) == n for n in range(20) for s in range(1, 20))


def test_plans():
    M = True
    completion = torch.tensor([[False] * 3 + [M] * 8])
    two_blocks = plan(completion, steps=4, block_size=4)
    assert two_blocks.block[0].tolist() == [-1] * 3 + [0] * 4 + [1] * 4
    assert two_blocks.quotas == [[[2], [2]], [[2], [2]]]
    scattered = torch.tensor([[M, False, False, M, False, False, False, M]])
    assert plan(scattered, 2, 4).quotas == [[[2]], [[1]]]
    assert plan(scattered, 3, None).quotas == [[[1], [1], [1]]]
    assert plan(torch.zeros(2, 4, dtype=torch.bool), 4, 2).quotas == []


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("window", [None, slice(0, 4), slice(3, 9)])
def test_the_denoiser_gives_the_logits_that_speak_for_the_window(shifted, window, make):
    denoiser = make("llama", shifted_logits=shifted)
    ids = torch.randint(WORDS, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        full = denoiser.model(ids).logits
    aligned = torch.cat([full[:, :1], full[:, :-1]], 1) if shifted else full
    assert torch.allclose(denoiser(ids, None, window), aligned[:, window or slice(None)], atol=1e-5)
    ones = torch.ones_like(ids)
    assert torch.equal(denoiser(ids, ones, window), denoiser(ids, None, window))
