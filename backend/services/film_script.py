"""A text that was written as a Python script that writes it again with this package, token by token."""

from pprint import pformat
from typing import Any

SCRIPT = '''\
"""Writes a text once more, token by token as dLLM Studio did: the same canvas, sampler and seed.

The tokens are the same on the same kind of device, in the same number format and with the same versions.
Elsewhere sums are rounded otherwise, and a close call between two tokens may fall the other way.{until}
"""

from pathlib import Path

from jobs.models.causal import load_writer
from jobs.programs import device
from jobs.programs.asks import Canvas
from jobs.programs.generation import Generation, replies
from jobs.specs.launcher import LauncherSpec
from jobs.specs.samplers.presets import parse

MODEL = {model}
PROMPT = {prompt}
SAMPLER = {sampler}
SEED = {seed}
MASK = {mask}  # what the model is to write
CANVAS = {canvas}

where = device.pick(LauncherSpec())
loaded = load_writer(Path(MODEL), device.inference_dtype(where), str(where))
canvas = Canvas(CANVAS, {prompt_length}, completes={completes}, at_least={at_least}, pictures={pictures})
lines = []  # the trajectory, as the studio's own files have it
again = Generation(
    loaded, PROMPT, canvas, parse(SAMPLER), lines.append, request="again", model=MODEL, seed=SEED
)
denoiser = loaded.denoiser()
while not again.finished:
    for _, logits in replies(denoiser, [again]):
        again.run.answer(logits)
    again.tell()
print(again.end("finished")["text"])
'''
UNTIL = "\nThe studio's own was stopped after {steps} steps; this one goes on to its end."


def script(start: dict[str, Any], model: str, steps: int | None = None) -> str:
    """The script for a start line. `model`: the folder of its model; `steps`: after how many it was stopped.

    Every value stands in it as a Python literal, so nothing in a prompt or a name can become code.
    """
    pictures = ", ".join(f"Path({str(file)!r})" for file in start.get("pictures") or ())
    return SCRIPT.format(
        until="" if steps is None else UNTIL.format(steps=steps),
        model=ascii(model),
        prompt=ascii(start["prompt"]),
        sampler=pformat(start["sampler"], width=100, sort_dicts=False),
        seed=int(start["seed"]),
        mask=int(start["mask_id"]),
        canvas=_canvas(start["ids"], start["mask_id"]),
        prompt_length=int(start["prompt_length"]),
        completes=bool(start.get("completes")),
        at_least=int(start.get("at_least") or 0),
        pictures=f"({pictures},)" if pictures else "()",
    )


def _canvas(ids: list[int], mask: int) -> str:
    """The token ids; runs of masks are counted, not written out."""
    parts: list[str] = []
    run: list[int] = []
    for token in [*ids, None]:
        if run and (token is None or (token == mask) != (run[-1] == mask)):
            parts.append(f"[MASK] * {len(run)}" if run[-1] == mask else str(run))
            run = []
        if token is not None:
            run.append(int(token))
    return " + ".join(parts) or "[]"
