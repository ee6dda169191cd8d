"""Answer a file of prompts: `python -m jobs.programs.sample RUN_FOLDER`.

predictions.jsonl gets a line an answer, in the order of the prompts: index (of the prompt, from 0), prompt,
text, nfe (forward passes) and seconds (from its first step to its last, beside others). Every prompt has a
canvas and a seed of its own, so its answer does not depend on `batch_size`, and a run that was killed and
resumed writes the same answers as an uninterrupted one.
"""

import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.data.files import read_file
from jobs.models import checkpoint
from jobs.models.checkpoint import Checkpoint
from jobs.programs import device
from jobs.programs.asks import Ask, Canvas, as_ask
from jobs.programs.generation import Generation, make_canvas, replies, request_id
from jobs.programs.process import Countdown, Process, Stopped, main
from jobs.protocol.errors import DataError, StudioError
from jobs.protocol.folder import write_atomic
from jobs.protocol.trajectory import encode
from jobs.specs.job import SampleSpec
from jobs.specs.samplers.presets import chosen

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
    device.use_threads_for(device.parameters(loaded.model))
    device.keep_freed_memory()
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
        for answer in work.answers([index for index in range(len(located)) if index not in done]):
            append(process.run.predictions, [answer])
            done.add(answer["index"])
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
        self.sampler = chosen(loaded.config, process.spec.sampler)
        self.asks: list[Ask] = []
        self.canvases: list[Canvas] = []
        self.lines: dict[int, list[str]] = {}  # of those at work

    def add(self, place: str, row: dict) -> None:
        """Raises: DataError, SpecError with the prompt's place."""
        has_template = bool(self.loaded.tokenizer is not None and self.loaded.tokenizer.chat_template)
        try:
            ask = row_as_ask(row, self.loaded.config, has_template)
            ask = replace(ask, pictures=Path(self.process.spec.prompts).parent)
            canvas = make_canvas(ask, self.loaded, self.sampler)
        except StudioError as error:
            raise type(error)(f"{place}: {error}") from None
        self.asks.append(ask)
        self.canvases.append(canvas)

    def answers(self, todo: list[int]) -> Iterator[dict]:
        """The answers to the prompts `todo`, in this order. `batch_size` of them are at work together, and
        whichever is done makes room for the next. Raises: Stopped, between two steps."""
        denoiser = self.loaded.denoiser()
        waiting = deque(todo)
        at_work: dict[int, Generation] = {}
        ready: dict[int, dict] = {}
        for index in todo:
            while index not in ready:
                self.process.check_stop()
                while waiting and len(at_work) < self.process.spec.batch_size:
                    number = waiting.popleft()
                    at_work[number] = self._begin(number)
                for generation, logits in replies(denoiser, list(at_work.values())):
                    generation.run.answer(logits)
                for number, generation in list(at_work.items()):
                    generation.tell()
                    if generation.finished:
                        ready[number] = self._answer(number, at_work.pop(number))
            yield ready.pop(index)

    def _begin(self, index: int) -> Generation:
        spec = self.process.spec
        lines: list[str] = []
        self.lines[index] = lines
        return Generation(
            self.loaded,
            self.asks[index].shown,
            self.canvases[index],
            self.sampler,
            (lambda line: lines.append(encode(line))) if spec.trajectories else (lambda line: None),
            request=self._request(index),
            model=spec.model,
            seed=spec.seed + index,
            want_details=spec.trajectories,
        )

    def _answer(self, index: int, generation: Generation) -> dict:
        end = generation.end("finished")
        lines = self.lines.pop(index)
        if self.process.spec.trajectories:
            self.process.run.samples.mkdir(exist_ok=True)
            write_atomic(self.process.run.sample(self._request(index)), "".join(lines))
        told = {key: end[key] for key in ("text", "nfe", "seconds")}
        return {"index": index, "prompt": self.asks[index].shown, **told}

    def _request(self, index: int) -> str:
        return request_id(self.process.run, f"prompt-{index}")


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
