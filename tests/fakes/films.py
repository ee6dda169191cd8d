"""A small trajectory with one of everything: given, revealed, masked again, edited and closed tokens."""

from typing import Any

HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>"


def film(**start: Any) -> list[dict[str, Any]]:
    """Start, three steps and an end. `start`: other values of its start line."""
    return [
        {
            "type": "start",
            "version": 1,
            "request": "serve-0001_film",
            "model": "stories",
            "sampler": {"name": "llada", "steps": 3, "suppress_tokens": []},
            "seed": 7,
            "prompt": "Once\n" + HOSTILE,
            "family": "a2d",
            "mask_id": 9,
            "length": 5,
            "prompt_length": 1,
            "completes": True,
            "at_least": 0,
            "parent": None,
            "pictures": [],
            "grid": None,
            "ids": [1, 9, 9, 9, 9],
            "texts": ["Once", "", "", "", ""],
            "given": [0],
            **start,
        },
        _step(0, [[1, 2, " upon", 0.9, "revealed", [[" upon", 0.9], [HOSTILE, 0.1]], 0.3]], 3),
        _step(1, [[1, 9, "", 0.9, "remasked", []], [2, 3, " a", 0.4, "revealed", [[" a", 0.4]]]], 3),
        _step(
            2,
            [
                [1, 4, HOSTILE, 0.7, "revealed", []],
                [2, 5, " 夜", 0.6, "edited", []],
                [3, 0, "[END]", 0.5, "revealed", []],
                [4, 0, "[END]", 1.0, "closed", []],
            ],
            0,
        ),
        {
            "type": "end",
            "reason": "finished",
            "nfe": 3,
            "seconds": 0.3,
            "text": HOSTILE + " 夜",
            "texts": ["Once", HOSTILE, " 夜", "[END]", "[END]"],
            "error": None,
        },
    ]


def _step(number: int, deltas: list[list[Any]], masked: int) -> dict[str, Any]:
    told = {"step": number, "nfe": number + 1, "seconds": 0.1 * (number + 1), "block": 0}
    return {"type": "step", **told, "deltas": deltas, "masked": masked, "entropy": 0.5 if masked else None}
