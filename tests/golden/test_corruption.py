"""The comparisons have teeth: results that were changed, hashes and all, fail the tests that claim them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.golden.cases import ROOT
from tests.golden.test_data import CLAIMS

pytestmark = pytest.mark.e2e

# the tensors that a reference computed; what it was given (draws, noise, masks) stays as it is
RESULTS = re.compile(r".*\b(loss|(noisy_)?logits\w*|log_likelihood|weights\.p[\d.]+|ids|history)")


def changed(tensor: Tensor) -> Tensor:
    """A hundredth off, which bfloat16 can tell; of token ids, the last one is another."""
    if tensor.is_floating_point():
        return tensor * 1.01
    other = tensor.clone()
    other.view(-1)[-1] += 1
    return other


def change(file: Path, pattern: re.Pattern[str]) -> int:
    tensors = load_file(file)
    hit = [name for name in tensors if pattern.fullmatch(name)]
    save_file({name: changed(t) if name in hit else t for name, t in tensors.items()}, file)
    return len(hit)


@pytest.fixture(scope="module")
def failed(tmp_path_factory) -> str:
    """What pytest says of a copy of the data in which every case's results are changed, and INDEX.json with
    them, so that only the comparisons can tell."""
    copy = tmp_path_factory.mktemp("golden") / "data"
    shutil.copytree(ROOT, copy)
    index = json.loads((copy / "INDEX.json").read_text(encoding="utf-8"))
    for case in CLAIMS.keys() & index["cases"].keys():
        if case == "dfactory_moe_convertor":
            assert change(copy / case / "merged" / "model.safetensors", re.compile(r".*experts\.up_proj"))
        else:
            assert change(copy / case / "expected.safetensors", RESULTS), case
    for name in index["files_sha256"]:
        index["files_sha256"][name] = hashlib.sha256((copy / name).read_bytes()).hexdigest()
    (copy / "INDEX.json").write_text(json.dumps(index), encoding="utf-8")
    here = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "-m", "not e2e"]
    done = subprocess.run(
        [*command, str(here)],
        cwd=here.parents[1],
        env={**os.environ, "STUDIO_GOLDEN_DIR": str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_data.py" not in done.stdout, "the hashes were to be right"
    return done.stdout


@pytest.mark.parametrize("case", sorted(CLAIMS))
def test_changed_results_fail_the_test_that_claims_them(case, failed):
    """Where one test compares several cases, the case's name stands in the brackets."""
    claimed = CLAIMS[case]
    shared = list(CLAIMS.values()).count(claimed) > 1
    lines = [line for line in failed.splitlines() if line.startswith("FAILED") and claimed in line]
    assert any(f"[{case}" in line or not shared for line in lines)


def test_small_changes_are_changes():
    assert not torch.equal(changed(torch.ones(2)), torch.ones(2))
    assert changed(torch.tensor([[1, 2]])).tolist() == [[1, 3]]
