"""Our dllm_bd3lm sampler writes what dLLM's BD3LMSampler writes, canvas by canvas."""

import pytest
import torch

from jobs.specs.samplers import DllmBD3LMSampler
from tests.golden.cases import Case, changes_only, id_differences
from tests.golden.sampling import FILLER, history, padded, read_as, rows_of

CASES = [Case(name) for name in ("a2d_llama_bd3lm_sampler", "a2d_qwen3_bd3lm_sampler")]


@pytest.mark.parametrize("use_cache", ["prefix", "none"])
@pytest.mark.parametrize(
    ("case", "run"), [pytest.param(c, run, id=f"{c.name}-{run}") for c in CASES for run in c.runs()]
)
def test_every_canvas_equals_dllms(case, run, use_cache, load_case):
    args, tokens, expected = case.arguments(run), case.json("args")["tokenizer"], case.tensors("expected")
    same = {key: value for key, value in args.items() if key not in ("inputs", "right_shift_logits")}
    options = DllmBD3LMSampler(**same, blocks_from="mask", use_cache=use_cache, early_exit=False)
    # 1. Prompts padded on the left. dLLM pads them to whole blocks; ours begins a block after the prompt.
    prompts, mask_id = rows_of(case.tensors("inputs")[args["inputs"]]), tokens["mask_token_id"]
    tail = [mask_id] * options.max_new_tokens
    ids, mask = padded([row + tail for row in prompts], tokens["pad_token_id"], left=True)
    more_padding = -max(map(len, prompts)) % options.block_size
    # 2. Shift is the run's, not the checkpoint's.
    denoiser = read_as(load_case(case, mask_id), args.get("right_shift_logits", False))
    got, passes = history(denoiser, ids, mask, options, new_cache=denoiser.new_cache)
    # 3. Canvas by canvas. dLLM's grow a block at a time, ours has the masks of later blocks from the start.
    theirs = expected[f"{run}.history"][:, :, more_padding:]
    theirs = torch.where(theirs == FILLER, mask_id, theirs)
    assert not id_differences(changes_only(theirs), changes_only(got))
    assert torch.equal(got[-1], expected[f"{run}.ids"][:, more_padding:])
    # 4. dLLM reads the finished text in a pass of its own before each block, and guidance doubles every pass.
    blocks = -(-options.max_new_tokens // options.block_size)
    calls = case.json("expected")[run]["forward_calls"]
    assert passes == calls - blocks * (2 if options.cfg_scale else 1)
