"""Our diffullama sampler writes what HKUNLP/DiffuLLaMA's two generate_samples write, canvas by canvas."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers import Draws
from jobs.specs.samplers import DiffuLLaMASampler
from tests.golden.cases import Case, changes_only, id_differences
from tests.golden.sampling import history, read_as

CASES = [Case("diffugpt_generate"), Case("diffullama_generate")]


class Leaking(Denoiser):
    """Says of column 0 what the published code writes there when it shifts: the id that was under the mask.
    The ranking sees the likeliest token's probability, so the two tokens change places."""

    under: Tensor
    """[B] the ids under the masks of column 0."""

    def __call__(self, ids, attention_mask=None, at=None, **more):
        logits = super().__call__(ids, attention_mask, at, **more)
        for column in (at == 0).nonzero().flatten().tolist():
            rows, best = torch.arange(len(ids)), logits[:, column].argmax(-1)
            here = logits[:, column].clone()
            logits[rows, column, best] = here[rows, self.under]
            logits[rows, column, self.under] = here[rows, best]
        return logits


class Replay(Draws):
    """The recorded draws: a number a position and step, and the tokens that were drawn for each canvas."""

    def __init__(self, numbers: Tensor, canvases: Tensor, tokens: Tensor):
        super().__init__(None)
        self.numbers, self.canvases, self.tokens = list(numbers), canvases, tokens

    def uniform(self, ids, at, vocabulary=None):
        if vocabulary is None:
            (number, *self.numbers) = self.numbers
            return number[:, at]
        # The last pass over this canvas; 0 makes every token impossible but the one that was drawn.
        step = int((self.canvases == ids).flatten(1).all(1).nonzero()[-1])
        drawn = self.tokens[step][:, at][..., None]
        return torch.zeros(*drawn.shape[:2], vocabulary, dtype=torch.float64).scatter_(-1, drawn, 0.5)


def options_of(args: dict) -> DiffuLLaMASampler:
    evaluates = args["module"] == "trainer"
    return DiffuLLaMASampler(
        steps=args["diffusion_steps"],
        alg="topk" if evaluates else "random",
        temperature=args["logits_temp"],
        greedy=evaluates,
        top_p=args.get("topp_temp"),
        allow_mask_token=True,
        early_exit=False,
    )


def draws_of(expected: dict[str, Tensor], run: str, under: Tensor, shift: bool) -> Draws:
    if f"{run}.u" not in expected:
        return Draws()
    tokens = expected[f"{run}.x0_samples"]
    if shift:
        tokens = torch.cat([under.expand(len(tokens), -1)[..., None], tokens[..., :-1]], -1)
    return Replay(expected[f"{run}.u"], expected[f"{run}.model_inputs"], tokens)


@pytest.mark.parametrize(
    ("case", "run"), [pytest.param(c, run, id=f"{c.name}-{run}") for c in CASES for run in c.runs()]
)
def test_every_canvas_equals_diffullamas(case, run, load_case):
    args, inputs, expected = case.arguments(run), case.tensors("inputs"), case.tensors("expected")
    # 1. All is masked but what src_mask keeps.
    given = inputs[args["input_ids"]]
    kept = inputs[args["src_mask"]].bool() if args["src_mask"] else torch.zeros_like(given, dtype=torch.bool)
    ids = given.masked_fill(~kept, args["mask_token_id"])
    # 2. With the shift of the run, and the leak in column 0.
    checkpoint, shift = load_case(case, args["mask_token_id"]), args["shift"]
    denoiser = read_as(checkpoint, shift)
    if shift and not kept[:, 0].any():
        denoiser = Leaking(denoiser.model, denoiser.config)
        denoiser.under = given[:, 0]
    draws = draws_of(expected, run, given[:, 0], shift)
    got, passes = history(denoiser, ids, None, options_of(args), draws)
    # 3. The reference tells what it fed to each pass, and the end without column 0 if it shifts.
    fed, end = expected[f"{run}.model_inputs"], expected[f"{run}.ids"]
    last = torch.cat([given[:, :1], end], 1) if shift else end
    wanted = changes_only(torch.cat([fed, last[None]]))
    assert not id_differences(wanted, changes_only(got))
    assert passes == len(wanted) - 1, "a pass for each canvas but the last"
