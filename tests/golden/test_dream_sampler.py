"""Our Dream sampler writes what diffusion_generate and dLLM's DreamSampler write, canvas by canvas."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion.samplers import Draws
from jobs.specs.samplers import DreamSampler
from tests.golden.cases import Case, changes_only, id_differences
from tests.golden.sampling import history, padded, rows_of

OFFICIAL, DLLM = Case("dream_generate"), Case("dllm_dream_sampler")
# transformers 4.57, with which the data was made, filters with it unless told otherwise; args.json is silent
LEAKED_TOP_K = 50
SAME = ("steps", "max_new_tokens", "alg", "temperature", "top_p", "top_k", "eps", "cfg_scale")


class Replay(Draws):
    """The recorded draws, one for each masked position of the only row."""

    def __init__(self, recorded: list[Tensor]):
        super().__init__(None)
        self.recorded = list(recorded)

    def uniform(self, ids, at, vocabulary=None):
        (draw, *self.recorded) = self.recorded
        assert vocabulary is None and draw.shape == at.shape, "draws are asked for in another order"
        return draw[None]


def options_of(args: dict, quota: str) -> DreamSampler:
    given = {key: args[key] for key in SAME if key in args}
    return DreamSampler(
        **{"top_p": None, **given}, alg_temp=args["alg_temp"] or 0.0, quota=quota, early_exit=False
    )


@pytest.mark.parametrize("run", OFFICIAL.runs())
def test_every_canvas_equals_diffusion_generate(run, load_case):
    args, inputs = OFFICIAL.arguments(run), OFFICIAL.tensors("inputs")
    expected = OFFICIAL.tensors("expected")
    prompt, new = inputs[args["input_ids"]], args["max_new_tokens"]
    ids = torch.cat([prompt, torch.full((len(prompt), new), args["mask_token_id"])], 1)
    mask = None
    if args["attention_mask"]:
        given = inputs[args["attention_mask"]]
        mask = torch.cat([given, given.new_ones(len(prompt), new)], 1)
    draws = Replay([expected[key] for key in sorted(expected) if key.startswith(f"{run}.rng.")])
    denoiser = load_case(OFFICIAL, args["mask_token_id"]).denoiser()
    options = options_of({"top_k": LEAKED_TOP_K, **args}, "batch")
    got, _ = history(denoiser, ids, mask, options, draws)
    recorded = torch.cat([ids[None], expected[f"{run}.history"]])  # it has no canvas of the start
    assert not id_differences(changes_only(recorded), changes_only(got))
    assert torch.equal(got[-1], expected[f"{run}.ids"])
    assert sum(map(len, draws.recorded)) == 0, "fewer draws than the reference made"


@pytest.mark.parametrize("run", DLLM.runs())
def test_every_canvas_equals_dllms(run, load_case):
    args, expected = DLLM.arguments(run), DLLM.tensors("expected")
    first = expected[f"{run}.history"][0]
    mask_id = int(first[0, -1])
    tail = [mask_id] * args["max_new_tokens"]
    rows = [row + tail for row in rows_of(DLLM.tensors("inputs")[args["inputs"]])]
    pad_id = int(first[min(range(len(rows)), key=lambda row: len(rows[row])), 0])
    ids, mask = padded(rows, pad_id, left=True)
    got, _ = history(load_case(DLLM, mask_id).denoiser(), ids, mask, options_of(args, "dllm"))
    assert not id_differences(changes_only(expected[f"{run}.history"]), changes_only(got))
    assert torch.equal(got[-1], expected[f"{run}.ids"])
