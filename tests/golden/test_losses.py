"""Our losses, from the recorded noise and through the recorded draws, equal the published code's."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion.objectives import Batch, Noised, base, build_objective
from jobs.specs.objective import LLaDAObjective, MDLMObjective
from tests.golden.cases import Case, number_differences
from tests.golden.replay import IGNORED, gradient_differences, noised_from, replay

LLADA = Case("llada_loss")
MDLM = [Case("dllm_mdlm_loss_llada"), Case("a2d_qwen2_mdlm_loss")]
SCHEDULES = {"LinearAlphaScheduler": "linear", "CosineAlphaScheduler": "cosine"}


def llada_runs() -> list[str]:
    if not LLADA.present:
        return []
    return sorted(key.removesuffix(".loss") for key in LLADA.tensors("expected") if key.endswith(".loss"))


def mdlm_runs() -> list:
    return [pytest.param(case, run, id=f"{case.name}:{run}") for case in MDLM for run in case.runs()]


def compare_gradient(model: torch.nn.Module, expected: dict[str, Tensor], run: str) -> None:
    """The embedding's gradient, where the case has one."""
    for key in (f"{run}.grad_wte", f"{run}.grad_embed"):
        if key in expected:
            assert not gradient_differences(expected[key], model.get_input_embeddings().weight.grad), key


def llada_batch(run: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """(ids, maskable, prompt lengths or None) of a run."""
    inputs, expected = LLADA.tensors("inputs"), LLADA.tensors("expected")
    ids = expected.get(f"{run}.effective_input_ids", inputs.get(f"{run}.input_ids"))
    prompts = inputs.get(f"{run}.prompt_lengths")
    maskable = torch.ones_like(ids, dtype=torch.bool)
    if prompts is not None:
        maskable = torch.arange(ids.shape[1]) >= prompts[:, None]
    return ids, maskable, prompts


@pytest.mark.parametrize("run", llada_runs())
def test_llada_loss_equals_the_guidelines(run, load_case):
    expected, args = LLADA.tensors("expected"), LLADA.json("args")
    ids, maskable, prompts = llada_batch(run)
    masked, p_mask = expected[f"{run}.masked_indices"], expected[f"{run}.p_mask"]
    noised = Noised(expected[f"{run}.noisy_batch"], masked, p_mask, p_mask)
    checkpoint = load_case(LLADA, args["mask_id"])
    options = LLaDAObjective(time_epsilon=args["eps"])
    result = replay(options, checkpoint, noised, Batch(ids, maskable, prompts))
    assert not number_differences(expected[f"{run}.loss"], result.loss.detach(), **LLADA.tolerance())
    compare_gradient(checkpoint.model, expected, run)
    # The reference's losses of single tokens are divided by p, and an answer's length counts its padding.
    plain = (expected[f"{run}.token_loss"] * p_mask[masked]).sum()
    assert not number_differences(plain, result.level_loss.sum(), **LLADA.tolerance())
    if f"{run}.answer_lengths" in expected:
        assert torch.equal(expected[f"{run}.answer_lengths"][:, 0], maskable.sum(1))


@pytest.mark.parametrize("run", llada_runs())
def test_llada_noise_equals_the_guidelines(run, monkeypatch):
    expected, args = LLADA.tensors("expected"), LLADA.json("args")
    ids, maskable, _ = llada_batch(run)
    # the last two draws are t and u; before them pre-training may draw for the random length
    recorded = [expected[key] for key in sorted(expected) if key.startswith(f"{run}.rng.")][-2:]
    monkeypatch.setattr(base, "draw", lambda *_: recorded.pop(0))
    objective = build_objective(LLaDAObjective(time_epsilon=args["eps"]))
    noised = objective.noise(ids, maskable, args["mask_id"], None)
    assert torch.equal(noised.masked, expected[f"{run}.masked_indices"])
    assert torch.equal(noised.noised_ids, expected[f"{run}.noisy_batch"])
    assert torch.equal(noised.p_mask, expected[f"{run}.p_mask"])


def mdlm_batch(case: Case, run: str) -> tuple[Tensor, Tensor, Tensor]:
    """(ids, maskable, attention mask) as dllm's trainer feeds them: in shifted runs a BOS is put before the
    rows, unless every row's first label is ignored anyway."""
    args, inputs = case.arguments(run), case.tensors("inputs")
    ids, attention = inputs["input_ids"], inputs["attention_mask"]
    labels = inputs[args.get("labels", "labels")]
    if args["right_shift_logits"] and not bool((labels[:, 0] == IGNORED).all()):
        settings = case.json("args")
        bos = settings.get("tokenizer", settings)["bos_token_id"]
        ids = torch.nn.functional.pad(ids, (1, 0), value=bos)
        labels = torch.nn.functional.pad(labels, (1, 0), value=IGNORED)
        attention = torch.nn.functional.pad(attention, (1, 0), value=1)
    return ids, labels != IGNORED, attention


def mdlm_options(args: dict) -> MDLMObjective:
    return MDLMObjective(
        schedule=SCHEDULES[args.get("scheduler", "LinearAlphaScheduler")],
        loss_weight_type=args["loss_weight_type"],
        loss_norm_type=args["loss_norm_type"],
        time_epsilon=args.get("time_epsilon", 1e-3),
        antithetic=False,
    )


def mask_id_of(case: Case) -> int:
    settings = case.json("args")
    return settings.get("tokenizer", settings)["mask_token_id"]


@pytest.mark.parametrize(("case", "run"), mdlm_runs())
def test_mdlm_loss_equals_dllm(case, run, load_case):
    args, expected = case.arguments(run), case.tensors("expected")
    ids, maskable, attention = mdlm_batch(case, run)
    masked, time = expected[f"{run}.masked_mask"], expected[f"{run}.t"]
    checkpoint = load_case(case, mask_id_of(case))
    noised = noised_from(ids, masked, time, mask_id_of(case))
    for key in (f"{run}.noised_input_ids", f"{run}.model_input_ids"):
        assert torch.equal(noised.noised_ids, expected.get(key, noised.noised_ids)), key
    batch = Batch(ids, maskable, attention_mask=attention)
    result = replay(mdlm_options(args), checkpoint, noised, batch, shifted=args["right_shift_logits"])
    assert not number_differences(expected[f"{run}.loss"], result.loss.detach(), **case.tolerance())
    compare_gradient(checkpoint.model, expected, run)


@pytest.mark.parametrize(("case", "run"), mdlm_runs())
def test_mdlm_noise_equals_dllm(case, run, monkeypatch):
    args, expected = case.arguments(run), case.tensors("expected")
    ids, maskable, _ = mdlm_batch(case, run)
    objective = build_objective(mdlm_options(args))
    monkeypatch.setattr(objective, "times", lambda *_: expected[f"{run}.t"])
    monkeypatch.setattr(base, "draw", lambda *_: expected[f"{run}.u"])
    noised = objective.noise(ids, maskable, mask_id_of(case), None)
    assert torch.equal(noised.masked, expected[f"{run}.masked_mask"])


def test_a_wrong_loss_is_noticed():
    loss = torch.tensor(3.0)
    assert not number_differences(loss, loss.clone(), atol=0.0, rtol=1e-5)
    assert number_differences(loss, loss * 1.0001, atol=0.0, rtol=1e-5)
