"""Block-diffusion losses: dllm's BD3-LM trainer and dFactory, from the recorded noise."""

import pytest
import torch

from jobs.diffusion import attention
from jobs.diffusion.objectives import Batch, Noised, base, build_objective
from jobs.diffusion.objectives.base import model_inputs
from jobs.specs.objective import BD3LMObjective, DFactoryObjective
from tests.golden.cases import Case, number_differences
from tests.golden.replay import IGNORED, gradient_differences, noised_from, replay

BD3LM, DFACTORY = Case("a2d_qwen3_bd3lm_loss"), Case("dfactory_bd_loss")
LOGITS = {"atol": 2e-4, "rtol": 1e-4}  # the case names a tolerance for its losses only
CLEAN_INPUT = "asis_full_clean_input"  # the script as written feeds the clean text: reproduced here only


def bd3lm_options(args: dict) -> BD3LMObjective:
    return BD3LMObjective(
        block_size=args["block_size"],
        noise_per="sequence",
        antithetic=False,
        loss_weight_type=args["loss_weight_type"],
        loss_norm_type=args["loss_norm_type"],
    )


def bd3lm_batch() -> Batch:
    inputs = BD3LM.tensors("inputs")
    return Batch(inputs["input_ids"], inputs["labels"] != IGNORED)


@pytest.mark.parametrize("run", BD3LM.runs())
def test_bd3lm_loss_equals_dllm(run, load_case):
    args, expected, batch = BD3LM.arguments(run), BD3LM.tensors("expected"), bd3lm_batch()
    mask_id = BD3LM.json("args")["mask_token_id"]
    checkpoint = load_case(BD3LM, mask_id)
    noised = noised_from(batch.input_ids, expected[f"{run}.masked_mask"], expected[f"{run}.t"], mask_id)
    options = bd3lm_options(args)
    # 1. What the model is given: exactly the reference's ids, positions and mask.
    view = build_objective(options).view(noised, batch)
    assert torch.equal(view.input_ids, expected[f"{run}.model_input_ids"])
    assert torch.equal(view.position_ids.expand_as(view.input_ids), expected[f"{run}.position_ids"])
    assert torch.equal(view.pattern.dense()[0, 0], expected[f"{run}.attention_keep"])
    # 2. The loss and its gradient.
    result = replay(options, checkpoint, noised, batch, shifted=args["right_shift_logits"])
    assert not number_differences(expected[f"{run}.loss"], result.loss.detach(), **BD3LM.tolerance())
    if f"{run}.grad_embed" in expected:
        got = checkpoint.model.get_input_embeddings().weight.grad
        assert not gradient_differences(expected[f"{run}.grad_embed"], got)


@pytest.mark.parametrize("run", BD3LM.runs())
def test_bd3lm_noise_equals_dllm(run, monkeypatch):
    args, expected, batch = BD3LM.arguments(run), BD3LM.tensors("expected"), bd3lm_batch()
    objective = build_objective(bd3lm_options(args))
    time = expected[f"{run}.t"][:, None].expand_as(batch.input_ids)
    monkeypatch.setattr(objective, "times", lambda *_: time)
    monkeypatch.setattr(base, "draw", lambda *_: expected[f"{run}.u"])
    noised = objective.noise(batch.input_ids, batch.maskable, BD3LM.json("args")["mask_token_id"], None)
    assert torch.equal(noised.masked, expected[f"{run}.masked_mask"])


def dfactory_options(args: dict) -> DFactoryObjective:
    low, high = DFACTORY.json("args")["noise_range"]
    return DFactoryObjective(
        block_size=args["bs"], block_diffusion=args["bd"], noise_range_low=low, noise_range_high=high
    )


def dfactory_batch() -> tuple[Batch, Noised]:
    inputs, expected = DFACTORY.tensors("inputs"), DFACTORY.tensors("expected")
    ids = inputs["input_ids"]
    maskable = torch.arange(ids.shape[1]) >= inputs["prompt_lengths"][:, None]
    noisy = expected["transform.noisy_input_ids"]
    masked = expected["transform.labels"] != IGNORED
    level = torch.full(ids.shape, 0.5)  # has no part in the loss
    return Batch(ids, maskable, inputs["prompt_lengths"]), Noised(noisy, masked, level, level)


@pytest.mark.parametrize("run", DFACTORY.runs())
def test_dfactory_loss_equals_the_script(run, load_case):
    args, expected = DFACTORY.arguments(run), DFACTORY.tensors("expected")
    batch, noised = dfactory_batch()
    checkpoint = load_case(DFACTORY, DFACTORY.json("args")["mask_token_id"])
    if run == CLEAN_INPUT:
        noised = Noised(batch.input_ids, noised.masked, noised.p_mask, noised.time)
    options = dfactory_options(args)
    # 1. The mask, the positions, and the logits of the noised half.
    view = build_objective(options).view(noised, batch)
    if args["bd"]:
        assert torch.equal(view.pattern.dense()[0, 0], expected[f"{run}.attention_keep"])
        positions = view.position_ids.expand_as(view.input_ids)
        assert torch.equal(positions, expected[f"{run}.position_ids"])
    with torch.no_grad():
        logits = checkpoint.model(**model_inputs(checkpoint.model, view)).logits
    length = batch.input_ids.shape[1]
    assert not number_differences(expected[f"{run}.noisy_logits"], logits[:, :length], **LOGITS)
    # 2. The loss and its gradient.
    result = replay(options, checkpoint, noised, batch, shifted=not args["same"])
    assert not number_differences(expected[f"{run}.loss"], result.loss.detach(), **DFACTORY.tolerance())
    if f"{run}.grad_expert" in expected:
        compare_expert(checkpoint.model, expected[f"{run}.grad_expert"])


def compare_expert(model: torch.nn.Module, expected: torch.Tensor) -> None:
    """One expert's gradient. Stock classes keep all experts in one tensor, gate above up: look for the slice
    of the right shape that is nearest."""
    slices = []
    for name, parameter in model.named_parameters():
        if "experts" in name and parameter.grad is not None and parameter.dim() == 3:
            for grad in parameter.grad:
                slices += [part for part in grad.split(expected.shape[0]) if part.shape == expected.shape]
    assert slices, "no expert has a gradient"
    nearest = min(slices, key=lambda part: (part - expected).abs().max())
    assert not gradient_differences(expected, nearest)


@pytest.mark.parametrize("run", DFACTORY.runs()[:1])  # the draws are recorded once, for all runs
def test_dfactory_noise_equals_the_transform(run, monkeypatch):
    expected = DFACTORY.tensors("expected")
    batch, noised = dfactory_batch()
    draws = [expected[key] for key in sorted(expected) if key.startswith("transform.rng.")]
    recorded = [torch.cat(draws[0::2]), torch.stack(draws[1::2])]  # (level, positions) of each example
    monkeypatch.setattr(base, "draw", lambda shape, *_: recorded.pop(0).reshape(shape))
    objective = build_objective(dfactory_options(DFACTORY.arguments(run)))
    got = objective.noise(batch.input_ids, batch.maskable, DFACTORY.json("args")["mask_token_id"], None)
    assert torch.equal(got.masked, noised.masked) and torch.equal(got.noised_ids, noised.noised_ids)
    assert bool(expected["transform.attention_mask"].all()), "the script hides no padding, and nor do we here"


@pytest.mark.parametrize("run", BD3LM.runs())
def test_another_block_size_is_noticed(run):
    size, keep = BD3LM.arguments(run)["block_size"], BD3LM.tensors("expected")[f"{run}.attention_keep"]
    length = len(keep) // 2
    assert torch.equal(attention.block_diffusion(length, size).dense()[0, 0], keep)
    assert not torch.equal(attention.block_diffusion(length, size + 1).dense()[0, 0], keep)
