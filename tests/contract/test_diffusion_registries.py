"""What every objective, schedule and sampler must keep, over each entry of its dict.

A new entry is tested by being named; nothing here needs a change for it.
"""

import inspect
import itertools
from pathlib import Path
from typing import get_args

import pytest
import torch

from jobs.diffusion import schedules
from jobs.diffusion.likelihood import LIKELIHOODS
from jobs.diffusion.objectives import OBJECTIVES, LossResult, build_objective, training_loss
from jobs.diffusion.samplers import SAMPLERS, Draws, Start, Step
from jobs.diffusion.unmask import unmask
from jobs.models import checkpoint
from jobs.models.create import create
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import SpecError
from jobs.specs import objective as objective_specs
from jobs.specs import samplers as sampler_specs
from jobs.specs.job import NewModelSpec

LLAMA = {
    **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24},
    **{"initializer_range": 0.3, "max_position_embeddings": 64},
}


@pytest.fixture(scope="module")
def dllm() -> checkpoint.Checkpoint:
    return create(
        NewModelSpec(architecture="llama", config=LLAMA, tokenizer="characters:abcdefghijklmnop"), 0
    )


def test_the_engine_and_the_specs_have_the_same_names():
    assert set(OBJECTIVES) == set(objective_specs.OBJECTIVES)
    assert set(SAMPLERS) == set(sampler_specs.SAMPLERS)
    named = get_args(objective_specs.MDLMObjective.model_fields["schedule"].annotation)
    assert set(schedules.SCHEDULES) == set(named)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_a_schedule_falls_from_one_to_zero_with_positive_weights(name):
    schedule = schedules.SCHEDULES[name]
    time = torch.linspace(0, 1, 101)
    alpha = schedule.alpha(time)
    assert alpha.shape == time.shape and (alpha.diff() < 0).all()
    assert torch.allclose(alpha[[0, -1]], torch.tensor([1.0, 0.0]), atol=1e-6)
    assert (schedule.weight(time[1:-1]) > 0).all() and schedule.weight(time[1:]).isfinite().all()


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("conversation", [False, True])
def test_an_objective_trains(name, shifted, conversation, dllm):
    options = objective_specs.OBJECTIVES[name]()
    objective = build_objective(options)
    assert objective.name == name == options.name
    ids = torch.randint(16, (3, 12), generator=torch.Generator().manual_seed(0))
    prompts = torch.tensor([2, 5, 11]) if conversation else None
    maskable = torch.arange(12) >= (prompts if conversation else torch.zeros(3))[:, None]
    dllm.model.zero_grad()
    lost = training_loss(
        objective,
        dllm.model,
        ids,
        maskable,
        mask_id=dllm.config.mask_token_id,
        shifted=shifted,
        prompt_lengths=prompts,
        generator=torch.Generator().manual_seed(1),
    )
    assert isinstance(lost, LossResult) and lost.loss.isfinite() and lost.loss > 0
    assert lost.level_loss.shape == lost.level_count.shape == (8,) and not lost.level_loss.requires_grad
    lost.loss.backward()
    assert dllm.model.get_input_embeddings().weight.grad.abs().sum() > 0
    noised = objective.noise(ids, maskable, dllm.config.mask_token_id, torch.Generator().manual_seed(1))
    shown = noised.noised_ids == dllm.config.mask_token_id
    assert torch.equal(noised.masked & (not objective.causal), shown), "a causal model is shown no masks"
    assert not (noised.masked & ~maskable).any()
    assert noised.p_mask.shape == ids.shape and ((noised.p_mask > 0) & (noised.p_mask <= 1)).all()
    assert noised.time.shape == ids.shape and ((noised.time > 0) & (noised.time <= 1)).all()


@pytest.fixture(scope="module")
def refiner() -> checkpoint.Checkpoint:
    """A model of random tokens, which goes on with a prompt only."""
    return debug_checkpoint("diffusion_gemma", character_tokenizer("abcdefghijklmnop"))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_fills_every_mask_and_stops_when_asked(name, dllm, refiner):
    options = sampler_specs.SAMPLERS[name]()
    fills_masks = options.noise == "mask"
    dllm = dllm if fills_masks else refiner
    mask = dllm.config.mask_token_id
    gap = mask if fills_masks else 2
    ids = torch.tensor([[0, 1, gap, gap, 2, mask], [3, gap, gap, gap, gap, mask]])
    denoiser = dllm.denoiser()

    def run(rows: torch.Tensor, should_stop=None) -> list[Step]:
        start = Start(
            rows,
            dllm.config,
            draws=Draws(torch.Generator().manual_seed(0)),
            eos_id=dllm.eos_id,
            want_details=True,
            new_cache=denoiser.new_cache,
        )
        return list(unmask(denoiser, start, options, should_stop))

    steps, again = run(ids), run(ids)
    assert not (steps[-1].ids == mask).any() and torch.equal(steps[-1].ids, again[-1].ids)
    assert torch.equal(steps[-1].ids[ids != mask], ids[ids != mask])
    assert [step.index for step in steps] == list(range(len(steps)))
    assert all(before.nfe <= after.nfe for before, after in itertools.pairwise(steps))
    assert not run(ids, should_stop=lambda: True)
    assert list(inspect.signature(SAMPLERS[name]).parameters) == ["start", "options"]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_is_refused_on_a_model_of_another_noise(name, dllm, refiner):
    options = sampler_specs.SAMPLERS[name]()
    other = refiner if options.noise == "mask" else dllm
    start = Start(torch.tensor([[0, other.config.mask_token_id]]), other.config)
    with pytest.raises(SpecError, match=f"The sampler {name} is not for this model: .* Use "):
        next(unmask(other.denoiser(), start, options))


def test_the_page_on_objectives_names_every_entry():
    page = (Path(__file__).parents[2] / "docs" / "objectives.md").read_text(encoding="utf-8")
    for name in (*OBJECTIVES, *schedules.SCHEDULES, *LIKELIHOODS):
        assert f"`{name}`" in page, f"{name} is not in docs/objectives.md"
