"""Bundled recipes for tests: the small ones cut short, the large ones beside folders without weights."""

import json
import struct
from pathlib import Path
from typing import Any

from backend.services.places import ASSETS
from jobs.models.layout import arrange
from jobs.models.official import Skeleton, layout_for
from jobs.specs.diffusion_config import DiffusionConfig

ROOT = ASSETS / "recipes"
DEBUG = sorted(path.stem for path in (ROOT / "debug").glob("*.yaml"))
PUBLISHED = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix()
    for path in ROOT.glob("*/*.yaml")
    if path.parent.name not in ("debug", "data", "pipelines", "sweeps")
)
"""At full size. What is in `data` is of a size that trains as it is; the last two are of several jobs."""


def shortened(data: dict[str, Any]) -> dict[str, Any]:
    """A debug recipe's spec with four steps, a checkpoint after two, and few rows."""
    rows = {"options": {**data["data"]["options"], "rows": 60}} if "options" in data["data"] else {}
    return {
        **data,
        "data": {**data["data"], **rows},
        "optimisation": {**data["optimisation"], "steps": 4, "batch_size": 4, "warmup_steps": 0},
        "report": {**data["report"], "log_every": 1, "save_every": 2, "sample_every": 0},
    }


def pretend(folder: Path, config: Any, family: Any = None, official: dict[str, Any] | None = None) -> int:
    """A model folder whose weights are a hole in the disk: config.json and the headers of all tensors.

    `config`: the stock config; with a `family` and its `official` config.json in that format, else in ours.
    Returns the number of values.
    """
    skeleton = Skeleton(config)
    layout = layout_for(family, config, family.layouts[0] if family else "separate")
    stored = arrange(skeleton.shapes, layout)
    folder.mkdir(parents=True)
    text = official if official is not None else config.to_dict()
    (folder / "config.json").write_text(json.dumps(text, default=str))
    header, end, values = {}, 0, 0
    for name, tensor in stored.items():
        size = 1
        for length in tensor.shape:
            size *= length
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [end, end + 2 * size]}
        end, values = end + 2 * size, values + size
    written = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(written)) + written)
        file.truncate(8 + len(written) + end)
    if family is None:
        DiffusionConfig(mask_token_id=7).save(folder)
    return values
