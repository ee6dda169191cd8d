"""Official checkpoints load as stock transformers classes and give the official code's logits."""

import pytest
import torch

from tests.golden.cases import Case, number_differences

CASES = ["llada_logits", "a2d_llama_logits", "a2d_qwen2_logits", "a2d_qwen3_logits"]
ATOL, RTOL = 2e-4, 1e-4  # as each meta.json says
ANY_MASK = 1  # logits do not depend on which token is the mask


@pytest.mark.parametrize("name", CASES)
def test_logits_equal_the_official_ones(name, load_case):
    case = Case(name)
    if not case.present:
        pytest.skip(f"{name} is not in this golden data")
    inputs, expected = case.tensors("inputs"), case.tensors("expected")
    model = load_case(case, ANY_MASK).model
    compared = 0
    for key, logits in expected.items():
        run, _, what = key.rpartition(".")
        if what != "logits":
            continue
        with torch.no_grad():
            got = model(**arguments(inputs, run), use_cache=False).logits
        assert not number_differences(logits, got, ATOL, RTOL), f"{name} {key}"
        compared += 1
    assert compared


def arguments(inputs: dict[str, torch.Tensor], run: str) -> dict[str, torch.Tensor]:
    """What the reference passed in a run: left, right, left_pos (left with its position ids), bd3lm (a 4-D
    boolean mask), or plain."""
    base = run.removesuffix("_pos")
    found = {"input_ids": inputs.get(f"{base}.input_ids", inputs["input_ids"])}
    mask = inputs.get(f"{base}.attention_mask")
    if mask is not None:
        found["attention_mask"] = mask[None, None] if mask.dtype == torch.bool else mask
    positions = inputs.get(f"{base}.position_ids")
    if positions is not None and (run.endswith("_pos") or mask is None or mask.dtype == torch.bool):
        found["position_ids"] = positions
    return found


def test_a_wrong_logit_is_noticed():
    right = torch.randn(2, 3, 5)
    wrong = right.clone()
    wrong[1, 2, 4] += 0.01
    assert not number_differences(right, right.clone(), ATOL, RTOL)
    assert number_differences(right, wrong, ATOL, RTOL)
    assert number_differences(right, right[:1], ATOL, RTOL)
