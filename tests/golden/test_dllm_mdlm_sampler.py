"""Our dllm_mdlm sampler writes what dLLM's MDLMSampler writes, canvas by canvas."""

import pytest
import torch

from jobs.specs.samplers import DllmMDLMSampler
from tests.golden.cases import Case, changes_only, id_differences
from tests.golden.sampling import history, padded, read_as, rows_of

NAMES = ("dllm_mdlm_sampler_llada", "a2d_qwen2_mdlm_sampler", "a2d_qwen3_mdlm_sampler")
CASES = [Case(name) for name in NAMES]
SCHEDULES = {"LinearAlphaScheduler": "linear", "CosineAlphaScheduler": "cosine"}
SAME = ("steps", "block_size", "temperature", "remasking", "cfg_scale")


def options_of(args: dict) -> DllmMDLMSampler:
    infill = args.get("fn") == "infill"
    return DllmMDLMSampler(
        **{key: args[key] for key in SAME if key in args},
        cfg_keep_tokens=args.get("cfg_keep_tokens") or [],
        **({} if infill else {"max_new_tokens": args["max_new_tokens"]}),
        blocks_from="start" if infill else "mask",
        quota="batch",
        schedule=SCHEDULES[args.get("scheduler", "LinearAlphaScheduler")],
        suppress_tokens=args.get("suppress_tokens") or [],
        begin_suppress_tokens=args.get("begin_suppress_tokens") or [],
        early_exit=False,
    )


@pytest.mark.parametrize(
    ("case", "run"), [pytest.param(c, run, id=f"{c.name}-{run}") for c in CASES for run in c.runs()]
)
def test_every_canvas_equals_dllms(case, run, load_case):
    args, expected = case.arguments(run), case.tensors("expected")
    tokens = case.json("args")["tokenizer"]
    # 1. The canvas is padded on the right with the end token; masks follow each prompt.
    tail = [tokens["mask_token_id"]] * args.get("max_new_tokens", 0)
    rows = [row + tail for row in rows_of(case.tensors("inputs")[args["inputs"]])]
    ids, mask = padded(rows, tokens["eos_token_id"])
    # 2. Shift is the run's, not the checkpoint's.
    denoiser = read_as(load_case(case, tokens["mask_token_id"]), args.get("right_shift_logits", False))
    options = options_of(args)
    got, passes = history(denoiser, ids, mask, options, suppress=tuple(options.suppress_tokens))
    # 3. Canvas by canvas; a guided pass counts two here and one there.
    assert not id_differences(changes_only(expected[f"{run}.history"]), changes_only(got))
    assert torch.equal(got[-1], expected[f"{run}.ids"])
    calls = case.json("expected")[run]["forward_calls"]
    assert passes == calls * (2 if options.cfg_scale else 1)
