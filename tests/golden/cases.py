"""Golden cases on disk, and comparisons that say what differs and where."""

import json
import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

HERE = Path(__file__).parent / "data"
# Where the data is: beside this file, or where STUDIO_GOLDEN_DIR points. Read once and at import, for while
# a test runs no STUDIO_ variable is set.
ROOT = Path(os.environ.get("STUDIO_GOLDEN_DIR") or HERE).resolve()


def index() -> dict[str, Any]:
    """INDEX.json of the data: its `cases`, and the hash of every file (`files_sha256`)."""
    return json.loads((ROOT / "INDEX.json").read_text(encoding="utf-8"))


class Case:
    """One folder of golden data, read when asked for."""

    def __init__(self, name: str):
        self.name = name
        self.folder = ROOT / name

    @property
    def present(self) -> bool:
        """Whether this data has the case. If INDEX.json names it and it is not there, test_data.py fails."""
        return self.folder.is_dir()

    def tensors(self, what: str) -> dict[str, Tensor]:
        return load_file(self.folder / f"{what}.safetensors")

    def json(self, what: str) -> Any:
        file = self.folder / f"{what}.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    def tolerance(self) -> dict[str, float]:
        """{atol, rtol} as meta.json says: `atol 2e-4 / rtol 1e-4`, or `rtol 1e-5` alone."""
        text = self.json("meta")["tolerance"]
        found = {name: float(number) for name, number in re.findall(r"(atol|rtol) ([\d.e-]+)", text)}
        assert "rtol" in found, f"meta.json of {self.name} names no tolerance"
        return {"atol": 0.0, **found}

    @property
    def checkpoint(self) -> Path:
        return (self.folder / self.json("meta")["checkpoint"]).resolve()

    def runs(self) -> list[str]:
        """The runs named in args.json. Empty where the case is not in this data."""
        args = self.json("args") if self.present else {}
        args = args.get("runs", args)
        return [name for name, value in args.items() if isinstance(value, dict)]

    def arguments(self, run: str) -> dict[str, Any]:
        args = self.json("args")
        return args.get("runs", args)[run]


def changes_only(history: Tensor) -> Tensor:
    """[S, B, L] without the steps that changed nothing: we skip those, the reference repeats the canvas."""
    keep = [0, *(s for s in range(1, len(history)) if not torch.equal(history[s], history[s - 1]))]
    return history[keep]


def id_differences(expected: Tensor, got: Tensor) -> list[str]:
    """Where two histories [S, B, L] of ids differ; empty if nowhere."""
    if expected.shape != got.shape:
        return [f"shape {tuple(got.shape)}, expected {tuple(expected.shape)}"]
    places = (expected != got).nonzero().tolist()
    return [
        f"step {s} row {b} position {p}: {int(got[s, b, p])}, expected {int(expected[s, b, p])}"
        for s, b, p in places
    ]


def number_differences(expected: Tensor, got: Tensor, atol: float, rtol: float) -> list[str]:
    """One line if two tensors differ by more than the tolerance; empty if they agree."""
    if expected.shape != got.shape:
        return [f"shape {tuple(got.shape)}, expected {tuple(expected.shape)}"]
    if torch.allclose(got, expected, atol=atol, rtol=rtol):
        return []
    return [f"largest difference {(got - expected).abs().max().item():.3g} (atol {atol}, rtol {rtol})"]
