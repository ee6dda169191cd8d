"""Our Fast-dLLM sampler for Dream writes what NVlabs' writes, in as many passes."""

from typing import Any

import pytest
import torch

from jobs.diffusion.samplers import Start
from jobs.diffusion.unmask import unmask
from jobs.specs.samplers import FastDLLMDreamSampler
from tests.golden.cases import Case

CASE = Case("fastdllm_dream_nvlabs")
# A default of transformers 4.57 that the recorded runs took over without their arguments saying so.
HIDDEN = {"top_k": 50}


def options_of(args: dict[str, Any]) -> FastDLLMDreamSampler:
    """NVlabs' arguments in our words. With a cache a threshold overrules the steps; without one there is one
    block, and the steps limit what a pass writes."""
    threshold = args["threshold"] if args["alg"] == "confidence_threshold" else None
    cached = "dual_cache" in args
    return FastDLLMDreamSampler(
        max_new_tokens=args["max_new_tokens"],
        block_size=args.get("block_length", args["max_new_tokens"]),
        use_cache=("dual" if args["dual_cache"] else "prefix") if cached else "none",
        threshold=threshold,
        steps=None if cached and threshold is not None else args["steps"],
        temperature=args["temperature"],
        early_exit=False,
        **HIDDEN,
    )


@pytest.mark.parametrize("run", CASE.runs())
def test_nvlabs_tokens_and_passes(run, load_case):
    args, prompt = CASE.arguments(run), CASE.tensors("inputs")[f"{run}.prompt"]
    checkpoint = load_case(CASE, args["mask_token_id"])
    denoiser = checkpoint.denoiser()
    masks = prompt.new_full((len(prompt), args["max_new_tokens"]), args["mask_token_id"])
    start = Start(torch.cat([prompt, masks], 1), checkpoint.config, new_cache=denoiser.new_cache)
    *_, last = unmask(denoiser, start, options_of(args))
    assert torch.equal(last.ids, CASE.tensors("expected")[f"{run}.ids"])
    assert last.nfe == CASE.json("expected")[run]["forward_calls"]
