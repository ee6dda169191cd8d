"""Official checkpoints load as stock transformers classes and give the official code's logits."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from jobs.models.checkpoint import load
from tests.golden.cases import Case, number_differences, root

FAMILY = {"diffullama_logits": "diffullama"}  # the Hub's plain Llama folder does not say what it is
CASES = sorted(folder.name for folder in root().glob("*_logits"))
ANY_MASK = 1  # logits do not depend on which token is the mask
CAUSAL_RUN = "padded2d"  # LLaDA2's code turns causal at a mask with zeros: reproduced here, nowhere else


def tolerance(case: Case) -> tuple[float, float]:
    """(atol, rtol) as the case's meta.json says: `atol 2e-4 / rtol 1e-4`."""
    found = re.search(r"atol ([\d.e-]+) / rtol ([\d.e-]+)", case.json("meta")["tolerance"])
    assert found, "meta.json names no tolerance"
    return float(found[1]), float(found[2])


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
    assert not number_differences(recorded[key][counts], got[counts], *tolerance(case))


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
