"""DiffuGPT's, DiffuLLaMA's and Dream's losses, from the recorded noise and attention."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion import attention
from jobs.diffusion.objectives import Batch, Noised, View, base, build_objective
from jobs.diffusion.objectives.dream import cart_weights
from jobs.specs.objective import DDMObjective, DreamObjective
from tests.golden.cases import Case, number_differences
from tests.golden.replay import IGNORED, gradient_differences, noised_from, replay

DDM = [Case("diffugpt_loss"), Case("diffullama_loss")]
DREAM, CART = Case("dream_loss"), Case("dream_cart_weights")


def ddm_runs() -> list:
    return [pytest.param(case, run, id=f"{case.name}:{run}") for case in DDM for run in case.runs()]


def ddm_batch(case: Case, run: str) -> tuple[dict, Batch]:
    args, inputs = case.arguments(run), case.tensors("inputs")
    ids = inputs["input_ids"]
    maskable = inputs["src_mask"] == 0 if args["src"] else torch.ones_like(ids, dtype=torch.bool)
    return args, Batch(ids, maskable)


def scored(masked: Tensor, shifted: bool) -> Tensor:
    """With shift the reference cuts position 0 away, masked or not."""
    masked = masked.clone()
    masked[:, 0] &= not shifted
    return masked


def recorded_pattern(keep: Tensor) -> attention.Pattern:
    """The annealed pattern whose draws left exactly the recorded edges open."""
    return attention.annealed(len(keep), 0.5, (~keep).float())


@pytest.mark.parametrize(("case", "run"), ddm_runs())
def test_ddm_loss_equals_diffullama(case, run, load_case):
    args, batch = ddm_batch(case, run)
    expected = {
        k.removeprefix(f"{run}."): v for k, v in case.tensors("expected").items() if k.startswith(run)
    }
    checkpoint = load_case(case, case.json("args")["mask_token_id"])
    time = expected["t"][:, None].expand_as(batch.input_ids)
    noised = Noised(expected["x_t"], scored(expected["masked"], args["shift"]), time, time)
    view = View(noised.noised_ids, recorded_pattern(expected["attention_keep"]))
    options = DDMObjective(anneal_steps=args["anneal_steps"])
    result = replay(options, checkpoint, noised, batch, shifted=args["shift"], view=view)
    assert not number_differences(expected["loss"], result.loss.detach(), **case.tolerance())
    mean = result.level_loss.sum() / result.level_count.sum()
    assert not number_differences(expected["unweighted_loss"], mean, **case.tolerance())
    if "grad_embed" in expected:
        got = checkpoint.model.get_input_embeddings().weight.grad
        assert not gradient_differences(expected["grad_embed"], got[: len(expected["grad_embed"])])


@pytest.mark.parametrize(("case", "run"), ddm_runs())
def test_ddm_noise_and_attention_equal_diffullama(case, run, monkeypatch):
    args, batch = ddm_batch(case, run)
    expected = case.tensors("expected")
    keep, time = expected[f"{run}.attention_keep"], expected[f"{run}.t"]
    objective = build_objective(DDMObjective(anneal_steps=args["anneal_steps"]))
    epsilon = objective.options.time_epsilon
    recorded = [(time - epsilon) / (1 - epsilon), expected[f"{run}.u"]]
    monkeypatch.setattr(base, "draw", lambda *_: recorded.pop(0))
    noised = objective.noise(batch.input_ids, batch.maskable, case.json("args")["mask_token_id"], None)
    assert torch.equal(noised.masked, expected[f"{run}.masked"])
    assert torch.equal(noised.noised_ids, expected[f"{run}.x_t"])
    # The mask that goes into the model is exactly the recorded one, at the share of edges of that step.
    share = objective.open_share(args["global_step"])
    assert share == pytest.approx(case.json("expected")[run]["attn_mask_ratio"])
    pattern = recorded_pattern(keep)
    assert torch.equal(attention.form_for(pattern, "sdpa", torch.float32, keep.device)[0, 0], keep)
    drawn = objective.view(noised, batch, args["global_step"], torch.Generator().manual_seed(0)).pattern
    if share == 1.0:
        assert torch.equal(drawn.dense()[0, 0], keep)
    else:
        opened = drawn.dense()[0, 0].triu(1)
        assert not (keep.tril() != drawn.dense()[0, 0].tril()).any()
        edges = len(keep) * (len(keep) - 1) / 2
        spread = (share * (1 - share) / edges) ** 0.5  # of the share that chance opens
        assert opened.float().sum() / edges == pytest.approx(share, abs=5 * spread)


def dream_options(args: dict) -> DreamObjective:
    kind, _, rest = args["loss_weight_type"].partition("[")
    found = {"geo_p": float(rest.rstrip("]").split(":")[1])} if rest else {}
    return DreamObjective(
        loss_weight_type=kind, loss_norm_type=args["loss_norm_type"], padding_is_context=True, **found
    )


def dream_batch(run: str) -> Batch:
    """As dllm's trainer feeds it: a BOS is put before the rows, unless every row's first label is ignored."""
    inputs, recorded = DREAM.tensors("inputs"), DREAM.tensors("expected")
    ids, labels, seen = inputs["input_ids"], inputs[DREAM.arguments(run)["labels"]], inputs["attention_mask"]
    if not bool((labels[:, 0] == IGNORED).all()):
        bos = int(recorded[f"{run}.noised_input_ids"][0, 0])  # recorded there only, and never masked
        ids = torch.nn.functional.pad(ids, (1, 0), value=bos)
        labels = torch.nn.functional.pad(labels, (1, 0), value=IGNORED)
        seen = torch.nn.functional.pad(seen, (1, 0), value=1)
    return Batch(ids, labels != IGNORED, attention_mask=seen)


@pytest.mark.parametrize("run", DREAM.runs())
def test_dream_loss_equals_dllm(run, load_case):
    expected, batch = DREAM.tensors("expected"), dream_batch(run)
    masked, time = expected[f"{run}.masked_mask"], expected[f"{run}.t"]
    checkpoint = load_case(DREAM)
    noised = noised_from(batch.input_ids, masked, time, checkpoint.config.mask_token_id)
    assert torch.equal(noised.noised_ids, expected[f"{run}.noised_input_ids"])
    result = replay(dream_options(DREAM.arguments(run)), checkpoint, noised, batch, shifted=True)
    assert not number_differences(expected[f"{run}.loss"], result.loss.detach(), **DREAM.tolerance())


@pytest.mark.parametrize("run", DREAM.runs())
def test_dream_noise_equals_dllm(run, monkeypatch, load_case):
    expected, batch = DREAM.tensors("expected"), dream_batch(run)
    objective = build_objective(dream_options(DREAM.arguments(run)))
    monkeypatch.setattr(objective, "times", lambda *_: expected[f"{run}.t"])
    monkeypatch.setattr(base, "draw", lambda *_: expected[f"{run}.u"])
    mask_id = load_case(DREAM).config.mask_token_id
    noised = objective.noise(batch.input_ids, batch.maskable, mask_id, None)
    assert torch.equal(noised.masked, expected[f"{run}.masked_mask"])


@pytest.mark.parametrize("run", sorted(CART.tensors("expected")) if CART.present else [])
def test_cart_weights_equal_dllm(run):
    masked = CART.tensors("inputs")["masked_mask"]
    got = cart_weights(masked, float(run.removeprefix("weights.p")))
    assert not number_differences(CART.tensors("expected")[run], got, **CART.tolerance())


@pytest.mark.parametrize("case", [c for c in (*DDM, DREAM) if c.runs()], ids=lambda case: case.name)
def test_a_changed_token_is_noticed(case, load_case):
    """The comparison has teeth: another target gives another loss."""
    run = case.runs()[0]
    expected, ids = case.tensors("expected"), case.tensors("inputs")["input_ids"]
    key = "masked" if f"{run}.masked" in expected else "masked_mask"
    masked = scored(expected[f"{run}.{key}"][:, -ids.shape[1] :], shifted=True)
    checkpoint = load_case(case, case.json("args").get("mask_token_id"))
    noised = noised_from(ids, masked, expected[f"{run}.t"], checkpoint.config.mask_token_id)
    everything = torch.ones_like(masked)
    losses = [
        replay(DDMObjective(), checkpoint, noised, Batch(truth, everything), shifted=True).loss.detach()
        for truth in (ids, (ids + 1) % 7)
    ]
    assert not number_differences(losses[0], losses[0].clone(), **case.tolerance())
    assert number_differences(*losses, **case.tolerance())
