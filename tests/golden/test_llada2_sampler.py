"""Our llada2 and llada21 samplers write what LLaDA2's own generate and dLLM's samplers write."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion.denoiser import Denoiser
from jobs.specs.samplers import LLaDA2Sampler, LLaDA21Sampler, SamplerOptions
from tests.golden.cases import Case, changes_only, id_differences
from tests.golden.sampling import FILLER, history

CASE = Case("llada2_generate")
CACHES = ["prefix", "none"]
NAMES = {"gen_length": "max_new_tokens", "block_length": "block_size", "steps": "steps_per_block"}
NOT_OPTIONS = {"prompt", "mask_id", "eos_id", "default_eos_id", "eos_early_stop"}


class Recorder(Denoiser):
    """A denoiser that keeps the canvases that it is asked about."""

    def __init__(self, model: torch.nn.Module, config):
        super().__init__(model, config)
        self.seen: list[Tensor] = []

    def __call__(self, ids, *args, **kwargs):
        self.seen.append(ids)
        return super().__call__(ids, *args, **kwargs)


def options_of(run: str, use_cache: str) -> SamplerOptions:
    args = CASE.arguments(run)
    given = {NAMES.get(key, key): value for key, value in args.items() if key not in NOT_OPTIONS}
    sampler = LLaDA21Sampler if run.startswith("s21.") else LLaDA2Sampler
    return sampler(**given, use_cache=use_cache, early_exit=args.get("eos_early_stop", False))


def sampled(run: str, use_cache: str, load_case) -> tuple[Tensor, list[Tensor]]:
    """(history [S, B, L], the canvases that the model was asked about). The references fill the last block to
    its end, so the canvas is as long."""
    args, prompt = CASE.arguments(run), CASE.tensors("inputs")[f"{run}.prompt"]
    options = options_of(run, use_cache)
    new = options.max_new_tokens + -(prompt.shape[1] + options.max_new_tokens) % options.block_size
    ids = torch.cat([prompt, torch.full((len(prompt), new), args["mask_id"])], 1)
    loaded = load_case(CASE, args["mask_id"])
    denoiser = Recorder(loaded.model, loaded.config)
    steps, _ = history(denoiser, ids, None, options, eos_id=args.get("eos_id"), new_cache=denoiser.new_cache)
    return steps, denoiser.seen


@pytest.mark.parametrize("use_cache", CACHES)
@pytest.mark.parametrize("run", [run for run in CASE.runs() if not run.startswith("gen.")])
def test_every_canvas_equals_dllms(run, use_cache, load_case):
    expected = CASE.tensors("expected")
    got, seen = sampled(run, use_cache, load_case)
    assert not id_differences(changes_only(expected[f"{run}.history"]), changes_only(got))
    assert torch.equal(got[-1], expected[f"{run}.ids"])
    calls = CASE.json("expected")[run]["forward_calls"]
    assert len(seen) == calls, "a finished block costs no pass of its own"


@pytest.mark.parametrize("use_cache", CACHES)
@pytest.mark.parametrize("run", [run for run in CASE.runs() if run.startswith("gen.")])
def test_every_forward_pass_equals_the_models_own_generate(run, use_cache, load_case):
    expected, args = CASE.tensors("expected"), CASE.arguments(run)
    got, seen = sampled(run, use_cache, load_case)
    # 1. As many passes; where there is an end token, perhaps not. Asked to stop early, the reference looks
    #    for the end only when it has just written the token, not when the last mask before it is filled;
    #    not asked, it stops after that block all the same, where ours goes on.
    calls = CASE.json("expected")[run]["forward_calls"]
    if "eos_id" not in args:
        assert len(seen) == calls
    else:
        assert len(seen) <= calls if args.get("eos_early_stop", False) else len(seen) >= calls
    # 2. Each pass is asked about the same canvas.
    for ours, theirs in zip(seen, expected[f"{run}.model_inputs"], strict=False):
        assert ours[0].tolist() == [token for token in theirs.tolist() if token != FILLER]
    # 3. The text, up to its end.
    text = got[-1][:, CASE.tensors("inputs")[f"{run}.prompt"].shape[1] :]
    ids = expected[f"{run}.ids"]
    assert torch.equal(text[:, : ids.shape[1]], ids)
