"""Official checkpoints load as stock transformers classes and give the official code's logits."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from jobs.models.checkpoint import load
from tests.golden.cases import Case, index, number_differences

FAMILY = {"diffullama_logits": "diffullama"}  # the Hub's plain Llama folder does not say what it is
CASES = sorted(name for name in index()["cases"] if name.endswith("_logits") and Case(name).present)
INNER = re.compile(r"(?:full\.)?(hidden_states|last_hidden_state|router_logits|topk_idx)\.?(\d*)")
ANY_MASK = 1  # logits do not depend on which token is the mask
CAUSAL_RUN = "padded2d"  # LLaDA2's code turns causal at a mask with zeros: reproduced here, nowhere else


def checkpoints(case: Case) -> list[Path]:
    """The case's checkpoint, and the same weights in the other layout where there are some."""
    wrapped = case.checkpoint.with_name(case.checkpoint.name + "_wrapped")
    return [case.checkpoint, *([wrapped] if wrapped.is_dir() else [])]


def runs() -> list:
    found = []
    for name in CASES:
        keys = [key for key in Case(name).tensors("expected") if ".logits" in f".{key}"]
        found += [(name, path, key) for path in checkpoints(Case(name)) for key in keys]
    return [key for key in found if "router" not in key[2]]


@pytest.fixture(scope="module")
def model():
    """model(case name, folder) -> the stock model that the folder loads as."""
    loaded = {}

    def get(name: str, folder: Path):
        if folder not in loaded:
            family = None if folder.name.endswith("_wrapped") else FAMILY.get(name)
            loaded[folder] = load(folder, "float32", mask_token_id=ANY_MASK, family=family).model
        return loaded[folder]

    return get


@pytest.mark.parametrize(("name", "folder", "key"), runs(), ids=lambda value: getattr(value, "name", value))
def test_logits_equal_the_official_ones(name, folder, key, model):
    case = Case(name)
    recorded, inputs = case.tensors("expected"), case.tensors("inputs")
    given = arguments(inputs, recorded, key)
    if name.startswith("llada2") and key.startswith(CAUSAL_RUN):
        given = {**given, "attention_mask": causal_and(inputs["right.attention_mask"])}
    stock = model(name, folder)
    if key.startswith("embeds_call"):
        given = {"inputs_embeds": stock.get_input_embeddings()(given["input_ids"])}
    with torch.no_grad():
        got = stock(**given, use_cache=False).logits
    counts = compared(case, given)
    assert not number_differences(recorded[key][counts], got[counts], **case.tolerance())


def inner_runs() -> list:
    """Cases with recorded hidden states, of the run without a mask."""
    return [
        (name, path)
        for name in CASES
        for path in checkpoints(Case(name))
        if any(INNER.fullmatch(key) for key in Case(name).tensors("expected"))
    ]


@pytest.mark.parametrize(("name", "folder"), inner_runs(), ids=lambda value: getattr(value, "name", value))
def test_hidden_states_and_routing_equal_the_official_ones(name, folder, model):
    case = Case(name)
    expected = case.tensors("expected")
    found = inside(model(name, folder), case.tensors("inputs")["input_ids"])
    for key in filter(INNER.fullmatch, expected):
        what, number = INNER.fullmatch(key).groups()
        got = found[what][int(number or -1)].reshape(expected[key].shape)
        assert not number_differences(expected[key], got, **case.tolerance()), key


def inside(stock: torch.nn.Module, ids: Tensor) -> dict[str, Sequence[Tensor]]:
    """What the model computes on its way, by the golden keys' names; routing one entry a layer of experts."""
    router_logits, chosen, hooks = [], [], []
    for name, module in stock.named_modules():
        if name.endswith("mlp.gate"):  # returns the logits alone, or first
            hooks.append(
                module.register_forward_hook(
                    lambda *call: router_logits.append(call[2][0] if isinstance(call[2], tuple) else call[2])
                )
            )
        if name.endswith("mlp.experts"):  # is given (hidden states, chosen experts, their weights)
            hooks.append(module.register_forward_pre_hook(lambda _, given: chosen.append(given[1])))
    with torch.no_grad():
        hidden = stock(input_ids=ids, use_cache=False, output_hidden_states=True).hidden_states
    for hook in hooks:
        hook.remove()
    in_order = [experts.sort(-1).values for experts in chosen]
    return {
        "hidden_states": hidden,
        "last_hidden_state": hidden,
        "router_logits": router_logits,
        "topk_idx": in_order,
    }


def arguments(inputs: dict[str, Tensor], recorded: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    """What the reference passed: ids of the run or of the case, its mask, and its position ids if it says so.

    Masks: 2-D ones and zeros; 4-D additive; square boolean (True = attend).
    """
    run, _, what = key.rpartition(".")
    base = {"block_bool": "block", CAUSAL_RUN: "right"}.get(run, run.removesuffix("_pos"))
    found = {"input_ids": inputs.get(f"{base}.input_ids", inputs["input_ids"])}
    mask = inputs.get(f"{base}.attention_mask", inputs.get(f"{base}.attention_mask_additive"))
    if mask is not None:
        found["attention_mask"] = mask[None, None] if mask.dtype == torch.bool else mask
    positions = inputs.get(f"{base}.position_ids")
    # where a run is recorded with and without its positions, the name says which
    without = what == "logits_default_positions" or f"{run}_pos.logits" in recorded
    if positions is not None and not without:
        found["position_ids"] = positions
    return found


def compared(case: Case, given: dict[str, Tensor]) -> Tensor:
    """[B, L]: which positions count: all, unless meta.json says that rows of padding are undefined."""
    mask = given.get("attention_mask")
    if mask is not None and mask.ndim == 2 and "attention_mask==1" in case.json("meta")["tolerance"]:
        return mask.bool()
    return torch.ones(next(iter(given.values())).shape[:2], dtype=torch.bool)


def causal_and(mask: Tensor) -> Tensor:
    """[B, 1, L, L] bool: earlier tokens that are no padding."""
    length = mask.shape[1]
    return (torch.ones(length, length, dtype=torch.bool).tril() & mask.bool()[:, None])[:, None]


def test_there_are_cases():
    assert CASES


def test_a_wrong_logit_is_noticed():
    right = torch.randn(2, 3, 5)
    wrong = right.clone()
    wrong[1, 2, 4] += 0.01
    assert not number_differences(right, right.clone(), 2e-4, 1e-4)
    assert number_differences(right, wrong, 2e-4, 1e-4)
    assert number_differences(right, right[:1], 2e-4, 1e-4)
