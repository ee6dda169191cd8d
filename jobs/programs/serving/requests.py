"""Requests as they come through the socket: what they may hold."""

import threading
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.models.checkpoint import Dtype
from jobs.programs.asks import BLANKS, MODES, PROMPTS, Ask
from jobs.programs.branching import Branch, source_start
from jobs.protocol.errors import SpecError
from jobs.specs.samplers.presets import parse

MAX_BLANKS = 1024
FORCED = ("constraints", "prefix", "suffix")
ASK_KEYS = {"op", "request", "model", "sampler", "seed", "blanks", "pictures", "alone", *FORCED, *MODES}
BRANCH_KEYS = {"op", "request", "from", "step", "pins", "remask", "sampler", "seed"}


@dataclass(eq=False)
class Request:
    """One text to be written."""

    id: str
    model: str
    wanted: Ask | Branch
    sampler: dict | None
    seed: int
    alone: bool = False
    """Whether nothing else may work beside it, so that its time is its own."""
    begun: bool = False
    paused: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> str:
        """queued, running or paused."""
        return "paused" if self.paused else "running" if self.begun else "queued"


def parse_request(given: Mapping[str, Any]) -> Request:
    """A generate request. Raises: SpecError with one sentence."""
    _known_keys(given, ASK_KEYS)
    modes = [mode for mode in MODES if given.get(mode) is not None]
    if len(modes) != 1:
        raise SpecError(f"Give exactly one of {', '.join(MODES)} (given: {', '.join(modes) or 'none'}).")
    mode, content = modes[0], given[modes[0]]
    wanted = list if mode == "messages" else str
    if not isinstance(content, wanted) or (wanted is list and not content):
        raise SpecError(f"{mode!r} must be {'a list of messages' if wanted is list else 'text'}.")
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise SpecError("'model' must be the folder of a model.")
    blanks = given.get("blanks", BLANKS)
    if not isinstance(blanks, int) or not 1 <= blanks <= MAX_BLANKS:
        raise SpecError(f"'blanks' must be a whole number from 1 to {MAX_BLANKS}.")
    forced = {key: given.get(key) for key in FORCED if given.get(key)}
    if forced and mode not in PROMPTS:
        raise SpecError(
            f"{next(iter(forced))!r} goes with {' or '.join(PROMPTS)}; with {mode} write the words there."
        )
    ends = {key: _text(key, given.get(key) or "") for key in ("prefix", "suffix")}
    constraints = _tokens("constraints", given.get("constraints") or {})
    pictures = _text("pictures", given.get("pictures") or "")
    ask = Ask(mode, content, blanks, constraints, **ends, pictures=Path(pictures) if pictures else None)
    alone = given.get("alone", False)
    if not isinstance(alone, bool):
        raise SpecError("'alone' must be true or false.")
    return Request(_id(given), model, ask, _sampler(given.get("sampler")), _seed(given.get("seed", 0)), alone)


def parse_branch(given: Mapping[str, Any]) -> Request:
    """A branch request; the model is the parent's, sampler and seed are too unless given.

    Raises: SpecError, JobError.
    """
    _known_keys(given, BRANCH_KEYS)
    source, step = given.get("from"), given.get("step")
    if not isinstance(source, str) or not source:
        raise SpecError("'from' must be the file of a trajectory.")
    if step is not None and (not isinstance(step, int) or isinstance(step, bool)):
        raise SpecError("'step' must be the number of a step, or null for the last one.")
    remask = given.get("remask") or []
    if not isinstance(remask, list) or not all(type(position) is int for position in remask):
        raise SpecError("'remask' must be a list of positions.")
    start = source_start(Path(source))
    sampler, seed = given.get("sampler"), given.get("seed")
    return Request(
        _id(given),
        start["model"],
        Branch(Path(source), step, _tokens("pins", given.get("pins") or {}), tuple(remask)),
        _sampler(start["sampler"] if sampler is None else sampler),
        _seed(start["seed"] if seed is None else seed),
    )


def parse_dtype(given: Any) -> Dtype:
    """The number format of a load request. Raises: SpecError."""
    if given not in ("auto", "float32", "bfloat16"):
        raise SpecError(f"'dtype' must be auto, float32 or bfloat16, not {given!r}.")
    return given


def _known_keys(given: Mapping[str, Any], known: Collection[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise SpecError(f"Unknown key {unknown[0]!r} in the request; known: {', '.join(sorted(known))}.")


def _id(given: Mapping[str, Any]) -> str:
    return str(given.get("request") or uuid.uuid4().hex)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SpecError(f"{key!r} must be text.")
    return value


def _tokens(key: str, value: Any) -> dict[int, int | str]:
    """Position -> token; JSON makes the positions strings."""
    try:
        found = {int(position): token for position, token in value.items()}
    except (AttributeError, ValueError):
        raise SpecError(f'{key!r} must be an object of positions and tokens, as {{"5": "upon"}}.') from None
    for token in found.values():
        if type(token) not in (int, str) or token == "":
            raise SpecError(f"{key!r}: a token is a text or an id, not {token!r}.")
    return found


def _sampler(sampler: Any) -> dict | None:
    """Refuse wrong settings at once, before the request waits in the queue."""
    if sampler is None:
        return None
    if not isinstance(sampler, dict):
        raise SpecError("'sampler' must be an object with the sampler's settings, or null.")
    if "name" in sampler:  # else it is the model's own
        parse(sampler)
    return sampler


def _seed(seed: Any) -> int:
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise SpecError("'seed' must be a whole number from 0.")
    return seed
