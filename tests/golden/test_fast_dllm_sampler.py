"""Our Fast-dLLM sampler writes what the two public implementations write, in as many passes or fewer."""

from typing import Any

import pytest
import torch
from torch import Tensor

from jobs.diffusion.samplers import Start, Step
from jobs.diffusion.unmask import unmask
from jobs.specs.samplers import FastDLLMSampler
from tests.golden.cases import Case, changes_only, id_differences
from tests.golden.sampling import padded, rows_of

NVLABS, DLLM = Case("fastdllm_llada_nvlabs"), Case("fastdllm_llada_dllm")
CACHES = {
    "generate": "none",
    "generate_with_prefix_cache": "prefix",
    "generate_with_dual_cache": "dual",
}


def options_of(args: dict[str, Any]) -> FastDLLMSampler:
    """The two projects' arguments in our words. A threshold or a factor overrules the steps there."""
    measured = {key: args[key] for key in ("threshold", "factor") if args.get(key) is not None}
    return FastDLLMSampler(
        max_new_tokens=args.get("gen_length") or args["max_new_tokens"],
        block_size=args.get("block_length") or args["block_size"],
        use_cache=CACHES.get(args.get("function"), args.get("use_cache") or "none"),
        remasking=args["remasking"],
        temperature=args["temperature"],
        early_exit=False,
        **(measured or {"steps": args["steps"]}),
    )


def sampled(case: Case, ids: Tensor, mask_id: int, options: FastDLLMSampler, load_case) -> list[Step]:
    checkpoint = load_case(case, mask_id)
    denoiser = checkpoint.denoiser()
    start = Start(ids, checkpoint.config, new_cache=denoiser.new_cache)
    return list(unmask(denoiser, start, options))


def blocks_of_one_pass(steps: list[Step]) -> int:
    """How many blocks were full after their first pass."""
    passes = [step.block for step in steps]
    return sum(passes.count(block) == 1 for block in set(passes))


@pytest.mark.parametrize("run", NVLABS.runs())
def test_nvlabs_tokens_and_passes(run, load_case):
    args, prompt = NVLABS.arguments(run), NVLABS.tensors("inputs")[f"{run}.prompt"]
    options = options_of(args)
    masks = prompt.new_full((len(prompt), options.max_new_tokens), args["mask_id"])
    steps = sampled(NVLABS, torch.cat([prompt, masks], 1), args["mask_id"], options, load_case)
    assert torch.equal(steps[-1].ids, NVLABS.tensors("expected")[f"{run}.ids"])
    # With a cache NVlabs runs the window at least once, even over a block that is full already.
    extra = 0 if options.use_cache == "none" else blocks_of_one_pass(steps)
    assert steps[-1].nfe + extra == NVLABS.json("expected")[run]["forward_calls"]


@pytest.mark.parametrize("run", DLLM.runs())
def test_dllm_history_and_passes(run, load_case):
    args, tokens = DLLM.arguments(run), DLLM.json("args")["tokenizer"]
    expected = DLLM.tensors("expected")
    # dLLM's canvas has end tokens behind the shorter texts, which its model sees as text.
    masks = [tokens["mask_token_id"]] * args["max_new_tokens"]
    rows = [prompt + masks for prompt in rows_of(DLLM.tensors("inputs")[f"{run}.inputs"])]
    ids, _ = padded(rows, tokens["eos_token_id"])
    steps = sampled(DLLM, ids, tokens["mask_token_id"], options_of(args), load_case)
    canvases = torch.stack([ids, *(step.ids for step in steps)])
    assert not id_differences(changes_only(expected[f"{run}.history"]), canvases)
    assert torch.equal(steps[-1].ids, expected[f"{run}.ids"])
    assert steps[-1].nfe == DLLM.json("expected")[run]["forward_calls"]
