"""Our LLaDA sampler writes what ML-GSAI/LLaDA generate.py writes, canvas by canvas."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.unmask import unmask
from jobs.specs.samplers import LLaDASampler
from tests.golden.cases import Case, changes_only, id_differences

PLAIN = [Case("llada_generate"), Case("lladamoe_generate")]
REPLAY = Case("llada_generate_replay")


class Replay(Draws):
    """The recorded draws of the reference, which drew for the whole canvas, cut to the columns asked for."""

    def __init__(self, recorded: list[Tensor]):
        super().__init__(None)
        self.recorded = list(recorded)

    def uniform(self, ids, at, vocabulary=None):
        draw = self.recorded.pop(0)
        assert draw.dim() == (2 if vocabulary is None else 3), "draws are asked for in another order"
        return draw[:, at]


def options_of(args: dict) -> LLaDASampler:
    return LLaDASampler(
        steps=args["steps"],
        max_new_tokens=args["gen_length"],
        block_size=args["block_length"],
        temperature=args.get("temperature", 0.0),
        cfg_scale=args.get("cfg_scale", 0.0),
        remasking=args.get("remasking", "low_confidence"),
        suppress_eos=args.get("logits_eos_inf", False),
        delay_eos=args.get("confidence_eos_eot_inf", False),
        early_exit=False,
    )


def history(case: Case, run: str, load_case, draws: Draws | None = None, details: bool = False) -> Tensor:
    args, inputs = case.arguments(run), case.tensors("inputs")
    prompt = inputs[args.get("prompt") or "prompt"]
    rows, new = len(prompt), args["gen_length"]
    ids = torch.cat([prompt, torch.full((rows, new), args["mask_id"])], 1)
    mask = None
    if args.get("attention_mask"):
        given = inputs[args["attention_mask"]]
        mask = torch.cat([given, given.new_ones(rows, new)], 1)
    checkpoint = load_case(case, args["mask_id"])
    start = Start(
        ids,
        checkpoint.config,
        mask,
        draws or Draws(),
        eos_id=args.get("eos_id"),
        eot_id=args.get("eot_id"),
        want_details=details,
    )
    steps = unmask(checkpoint.denoiser(), start, options_of(args))
    return torch.stack([step.ids for step in steps])


@pytest.mark.parametrize(
    ("case", "run"), [pytest.param(c, run, id=f"{c.name}-{run}") for c in PLAIN for run in c.runs()]
)
def test_every_canvas_equals_the_reference(case, run, load_case):
    expected = case.tensors("expected")
    got = history(case, run, load_case)
    assert not id_differences(changes_only(expected[f"{run}.history"]), changes_only(got))
    assert torch.equal(got[-1], expected[f"{run}.ids"])


@pytest.mark.parametrize("run", REPLAY.runs())
def test_every_canvas_equals_the_replayed_reference(run, load_case):
    expected = REPLAY.tensors("expected")
    draws = Replay([expected[key] for key in sorted(expected) if key.startswith(f"{run}.rng.")])
    got = history(REPLAY, run, load_case, draws, details=True)  # details draw nothing
    assert not id_differences(changes_only(expected[f"{run}.history"]), changes_only(got))
    assert torch.equal(got[-1], expected[f"{run}.ids"])
    assert not draws.recorded, "fewer draws than the reference made"


@pytest.mark.parametrize("case", [c for c in (*PLAIN, REPLAY) if c.runs()], ids=lambda case: case.name)
def test_changed_expectations_are_noticed(case):
    run = case.runs()[0]
    history = case.tensors("expected")[f"{run}.history"]
    changed = history.clone()
    changed[-1, 0, -1] += 1
    assert not id_differences(history, history.clone())
    assert id_differences(history, changed) and id_differences(history, history[:-1])
