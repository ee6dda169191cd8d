"""A trajectory is data: how one sampled text came to be, as small deltas, one JSON object a line.

    {"type": "start", "version": 1, "request": ID, "model": PATH, "family": NAME, "sampler": {...}, "seed": N,
     "prompt": TEXT, "mask_id": N, "length": L, "prompt_length": P,
     "completes": whether the text is what comes after the prompt, "at_least": end tokens before this position
     do not end it, "grid": {...} | null,
     "parent": {"request": ID, "step": k, "pins": {position: token id}, "remask": [positions]} | null,
     "pictures": [files of the pictures that its image tokens stand for],
     "ids": [L ints], "texts": [L strings], "given": [positions that are not the model's]}
    {"type": "step", "step": k, "nfe": n, "seconds": s, "block": b,
     "deltas": [[position, token id, text, probability, event, [[text, probability], ...], entropy], ...],
     "masked": number still masked, "entropy": mean entropy of the masked positions in nats | null}
    {"type": "end", "reason": "finished" | "cancelled" | "error", "nfe": n, "seconds": s,
     "text": the answer, "texts": [L strings cut so that split UTF-8 reads right], "error": ... }

Events of a delta are "revealed", "remasked" (token id is the mask), "edited" and "closed" (after the end of
the text, filled with its end token without asking the model). Masked cells have text "". A delta's entropy,
of what the model said there, in nats, is left out where it is not known.
A trajectory with a parent branched off after the parent's step k (-1: before its first), with tokens pinned
and others masked again.
The live canvas, the scrubber, a training run's film strip and the tests all read this one format.
"""

import json
from pathlib import Path
from typing import Any

VERSION = 1
REVEALED, REMASKED, EDITED, CLOSED = "revealed", "remasked", "edited", "closed"


def encode(line: dict[str, Any]) -> str:
    """One line of a trajectory file, newline included."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def read(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a trajectory file."""
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def canvas_after(lines: list[dict[str, Any]], step: int | None = None) -> list[int]:
    """Token ids of the canvas after `step` (None: after the last one). Raises ValueError without a start."""
    if not lines or lines[0].get("type") != "start":
        raise ValueError("a trajectory begins with its start line")
    ids = list(lines[0]["ids"])
    for line in lines:
        if line["type"] == "step" and (step is None or line["step"] <= step):
            for position, token, *_ in line["deltas"]:
                ids[position] = token
    return ids


def append_end(path: Path, reason: str, error: str | None = None) -> None:
    """The last line of a trajectory that has no canvas to tell of, or whose writer will not write it."""
    line = {
        "type": "end",
        "reason": reason,
        "nfe": 0,
        "seconds": 0.0,
        "text": "",
        "texts": [],
        "error": error,
    }
    with open(path, "a", encoding="utf-8") as file:
        file.write(encode(line))
