"""Answer a file of prompts: `python -m jobs.programs.sample RUN_FOLDER`.

predictions.jsonl gets a line an answer: index (of the prompt, from 0), prompt, text, nfe (forward passes) and
seconds (of the batch it was sampled in). A batch always holds the same prompts and has a seed of its own, so
a run that was killed and resumed writes the same answers as an uninterrupted one.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.data.files import read_file
from jobs.models import checkpoint
from jobs.models.checkpoint import Checkpoint
from jobs.programs import device
from jobs.programs.generation import (
    Ask,
    Canvas,
    as_ask,
    as_tensors,
    begin,
    make_canvas,
    preset,
    request_id,
    unmask,
)
from jobs.programs.process import Countdown, Process, Stopped, main
from jobs.protocol.errors import DataError, StudioError
from jobs.protocol.folder import write_atomic
from jobs.protocol.trajectory import encode
from jobs.specs.job import SampleSpec

FIELDS = ("messages", "prompt", "text", "infill", "grid")


def sample(process: Process) -> None:
    """From `spec.prompts` to predictions.jsonl and result.json."""
    spec: SampleSpec = process.spec
    process.phase("reading prompts")
    located = list(read_prompts(Path(spec.prompts)))
    done = heal(process.run.predictions)
    process.check_stop()
    process.phase("loading the model")
    where = device.pick(spec.launcher)
    loaded = checkpoint.load(Path(spec.model), dtype=device.inference_dtype(where), device=str(where))
    device.use_threads_for(loaded.model)
    work = _Work(process, loaded)
    for place, row in located:
        work.add(place, row)
    if any(ask.mode == "messages" for ask in work.asks):
        process.note(
            "Prompts are asked through the model's chat template. "
            'To have a text gone on with as it stands, give rows {"text": ...}.'
        )
    process.phase("sampling")
    countdown = Countdown(process, len(located))
    countdown.first = len(done)
    process.progress(len(done), len(located), None, force=True)
    facts: dict[str, Any] = {"prompts": len(located), "predictions": process.run.predictions.name}
    try:
        for start in range(0, len(located), spec.batch_size):
            indices = list(range(start, min(start + spec.batch_size, len(located))))
            if not done.issuperset(indices):
                work.batch(indices, done)
                done.update(indices)
                countdown(len(done))
    except Stopped:
        process.finish("stopped", answered=len(done), **facts)
        return
    process.finish("succeeded", answered=len(done), **facts)


class _Work:
    """The prompts of one job as canvases, and the model that fills them."""

    def __init__(self, process: Process, loaded: Checkpoint):
        self.process = process
        self.loaded = loaded
        self.sampler = preset(loaded.config, process.spec.sampler)
        self.asks: list[Ask] = []
        self.canvases: list[Canvas] = []

    def add(self, place: str, row: dict) -> None:
        """Raises: DataError, SpecError with the prompt's place."""
        has_template = bool(self.loaded.tokenizer is not None and self.loaded.tokenizer.chat_template)
        try:
            ask = row_as_ask(row, self.loaded.config, has_template)
            canvas = make_canvas(ask, self.loaded, self.sampler)
        except StudioError as error:
            raise type(error)(f"{place}: {error}") from None
        self.asks.append(ask)
        self.canvases.append(canvas)

    def batch(self, indices: list[int], done: set[int]) -> None:
        """Answer one batch and append what `done` lacks. Raises: Stopped, with nothing written."""
        spec = self.process.spec
        started = time.monotonic()
        seed = spec.seed + indices[0]
        ids, mask, offsets = as_tensors([self.canvases[i] for i in indices], self.loaded, self.sampler)
        trajectories = [
            begin(
                self.loaded,
                self.asks[index],
                self.canvases[index],
                ids,
                self.sampler,
                request=request_id(self.process.run, f"prompt-{index}"),
                model=spec.model,
                seed=seed,
                row=row,
                offset=offsets[row],
            )
            for row, index in enumerate(indices)
        ]
        lines: list[list[dict | None]] = [[t.start()] for t in trajectories]
        stop, details = self.process.stop_requested, spec.trajectories
        for step in unmask(self.loaded, ids, mask, self.sampler, seed, stop, details):
            for row, trajectory in enumerate(trajectories):
                lines[row].append(trajectory.step(step))
        self.process.check_stop()  # a sampler that was stopped ends early: its canvas is not finished
        seconds = round(time.monotonic() - started, 4)
        answers = []
        for row, index in enumerate(indices):
            end = trajectories[row].end()
            if spec.trajectories:
                self._keep(index, [*lines[row], end])
            if index not in done:
                shown = self.asks[index].shown
                answers.append(
                    {
                        "index": index,
                        "prompt": shown,
                        "text": end["text"],
                        "nfe": end["nfe"],
                        "seconds": seconds,
                    }
                )
        append(self.process.run.predictions, answers)

    def _keep(self, index: int, lines: list[dict | None]) -> None:
        run = self.process.run
        run.samples.mkdir(exist_ok=True)
        text = "".join(encode(line) for line in lines if line is not None)
        write_atomic(run.sample(request_id(run, f"prompt-{index}")), text)


def read_prompts(path: Path) -> Iterator[tuple[str, dict]]:
    """(place, row) for every prompt: rows of a .jsonl or .json file, or the lines of a .txt file.

    Raises: DataError naming file and line.
    """
    if path.suffix.lower() != ".txt":
        yield from read_file(path)
        return
    for _ in read_file(path):  # its errors, said once; our lines are cut otherwise
        pass
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if line.strip():
            yield f"{path.name}, line {number}", {"prompt": line}


def row_as_ask(row: dict, config: Any, has_template: bool) -> Ask:
    """How a row of the prompts file is meant; its first field of FIELDS decides.

    `prompt` is a question to a model with a chat template, a text to go on with to others; `text` always is
    the latter. An answer at the end of `messages` is left out. Raises: DataError.
    """
    field = next((f for f in FIELDS if f in row), None)
    if field is None:
        raise DataError(f"a row needs one of the fields {', '.join(FIELDS)}; has {', '.join(row)}.")
    value = row[field]
    if field == "messages":
        if not isinstance(value, list) or not value:
            raise DataError("'messages' must be a list of messages.")
        last = value[-1].get("role") if isinstance(value[-1], dict) else None
        return Ask("messages", value[:-1] if last == "assistant" else value)
    if not isinstance(value, str):
        raise DataError(f"{field!r} must be text, it is {type(value).__name__}.")
    if field == "prompt":
        return as_ask(value, config, has_template)
    return Ask("prompt" if field == "text" else field, value)


def heal(path: Path) -> set[int]:
    """The indices already answered; a last line that a kill cut short is taken away."""
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) != len(content):
        os.truncate(path, len(whole))
    return {json.loads(line)["index"] for line in whole.splitlines()}


def append(path: Path, answers: list[dict]) -> None:
    """Add lines in one write, so that at most the last one can be cut short."""
    text = "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)
    with open(path, "ab", buffering=0) as file:
        file.write(text.encode())


if __name__ == "__main__":
    sys.exit(main("sample", sample))
