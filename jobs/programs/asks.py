"""What a person asks for, and the canvas that it means: the modes of a request."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.data import chat
from jobs.data.encode import tokenize
from jobs.data.images import encode_messages_with_images
from jobs.diffusion import canvas as canvases
from jobs.models.checkpoint import Checkpoint
from jobs.programs.pictures import picture_reader
from jobs.programs.pins import Tokens, pin
from jobs.protocol.errors import DataError, SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers.fits import CAUSAL

BLANKS = 8  # masks that ____ stands for


@dataclass(frozen=True)
class Ask:
    """What one request wants: `mode` is a name of MODES, `content` a text or a list of messages."""

    mode: str
    content: Any
    blanks: int = BLANKS
    constraints: Tokens = field(default_factory=dict)
    """Position after the prompt, from 0 -> what must stand there."""
    prefix: str = ""
    """How the answer must begin."""
    suffix: str = ""
    """How the answer must end: the last tokens of the canvas."""
    pictures: Path | None = None
    """The only folder in which the pictures of messages are looked for."""

    @property
    def shown(self) -> str:
        """What a person sees as the prompt."""
        if self.mode == "messages":
            return "\n".join(words_of(m.get("content", "")) for m in self.content if m.get("role") == "user")
        return str(self.content)


@dataclass(frozen=True)
class Canvas:
    """Where sampling starts: ids with masks."""

    ids: list[int]
    prompt_length: int
    """Of a completion; 0 where masks stand between given words."""
    completes: bool
    """Whether the model's text is what comes after the prompt, up to its end token."""
    at_least: int = 0
    """An end token before this position does not end the text: what is pinned behind it belongs to it."""
    pictures: tuple[Path, ...] = ()
    """The files of the pictures that its image tokens stand for, in order."""


def complete(ask: Ask, loaded: Checkpoint, room: int) -> Canvas:
    """A prompt and `room` positions after it, masked but for what the ask pins there.

    Raises: DataError, SpecError.
    """
    prompt, pictures = PROMPTS[ask.mode](ask, loaded)
    refuse_unknown(texts_of(ask), prompt, loaded.tokenizer)
    prompt = prompt or _beginning(loaded)
    ids = prompt + [loaded.config.mask_token_id] * room
    pinned = _pin_answer(ids, len(prompt), ask, loaded)
    if len(pinned) == room:
        raise SpecError(f"All {room} positions after the prompt are given; raise max_new_tokens.")
    return Canvas(ids, len(prompt), True, max(pinned, default=-1) + 1, pictures)


def _beginning(loaded: Checkpoint) -> list[int]:
    """What a text without a prompt goes on from: nothing, but for a causal model, which begins with its first
    or its last token, as transformers' `generate` does. Raises: SpecError where it has neither."""
    if loaded.config.objective != CAUSAL:
        return []
    known = [loaded.tokenizer.bos_token_id, loaded.tokenizer.eos_token_id]  # type: ignore[union-attr]
    first = [token for token in known if token is not None][:1]
    if not first:
        raise SpecError("This causal model has no token to begin a text with: write a prompt.")
    return first


def _pin_answer(ids: list[int], first: int, ask: Ask, loaded: Checkpoint) -> set[int]:
    """Put the prefix, the suffix and the constraints on the canvas, one token a position."""
    pins: dict[int, int | str] = dict(ask.constraints)
    begin, end = (tokenize([text], loaded.tokenizer)[0] if text else [] for text in (ask.prefix, ask.suffix))
    refuse_unknown([ask.prefix, ask.suffix], begin + end, loaded.tokenizer)
    room = len(ids) - first
    if len(begin) + len(end) > room:
        raise SpecError(
            f"The prefix and the suffix have {len(begin) + len(end)} tokens, but the answer has room for "
            f"{room}: raise max_new_tokens."
        )
    for position, token in [*enumerate(begin), *enumerate(end, room - len(end))]:
        if position in pins:
            raise SpecError(f"{position}:{pins[position]} lies in the prefix or the suffix; leave one out.")
        pins[position] = token
    return pin(ids, pins, loaded, first=first, words=True)


Prompt = tuple[list[int], tuple[Path, ...]]
"""The tokens of a prompt, and the files of its pictures."""


def _prompt(ask: Ask, loaded: Checkpoint) -> Prompt:
    return (tokenize([ask.content], loaded.tokenizer)[0] if ask.content else []), ()


def _messages(ask: Ask, loaded: Checkpoint) -> Prompt:
    for message in ask.content:
        if not isinstance(message, dict) or not {"role", "content"} <= set(message):
            raise DataError("A message is an object with 'role' and 'content'.")
    if all(isinstance(message["content"], str) for message in ask.content):
        text = chat.render(ask.content, loaded.tokenizer, add_generation_prompt=True)
        return tokenize([text], loaded.tokenizer)[0], ()
    reader = picture_reader(loaded)
    if reader is None or ask.pictures is None:
        raise DataError("This model sees no images: ask it in words, with text as each message's content.")
    return encode_messages_with_images(ask.content, loaded.tokenizer, reader, ask.pictures)


PROMPTS: dict[str, Callable[[Ask, Checkpoint], Prompt]] = {"prompt": _prompt, "messages": _messages}


def infill(ask: Ask, loaded: Checkpoint, room: int) -> Canvas:
    """A text with masks for every ____. Raises: DataError."""
    if not canvases.BLANK.search(ask.content):
        raise DataError("There is nothing to fill in: write ____ (four underscores) where text is missing.")
    mask = loaded.config.mask_token_id
    parts = [part for part in canvases.BLANK.split(ask.content) if part]
    tokenize(parts, loaded.tokenizer)  # its error names the letter that no token has
    ids = canvases.infill(ask.content, loaded.tokenizer, mask, ask.blanks)[0].tolist()
    refuse_unknown(texts_of(ask), ids, loaded.tokenizer)
    return Canvas(ids, 0, completes=False)


def grid(ask: Ask, loaded: Checkpoint, room: int) -> Canvas:
    """A grid, a token a cell. Raises: DataError."""
    config: DiffusionConfig = loaded.config
    if config.grid is None:
        raise DataError("This model is not for grids: its diffusion settings name no grid.")
    cells = "".join(ask.content.split())
    wanted = config.grid.rows * config.grid.columns
    if len(cells) != wanted:
        raise DataError(
            f"The grid has {len(cells)} cells; this model takes {config.grid.rows} x {config.grid.columns} = "
            f"{wanted}, a character a cell, with . or 0 for a blank one."
        )
    ids: list[int] = []
    for number, cell in enumerate(cells, 1):
        blank = cell in canvases.GRID_BLANKS
        token = [config.mask_token_id] if blank else tokenize([cell], loaded.tokenizer)[0]
        if len(token) != 1 or (not blank and token[0] == loaded.tokenizer.unk_token_id):
            raise DataError(f"Cell {number} of the grid: {cell!r} is no single token of this model.")
        ids += token
    if config.mask_token_id not in ids:
        raise DataError("The grid has no blank cell; write . or 0 for the cells to be filled.")
    return Canvas(ids, 0, completes=False)


MODES: dict[str, Callable[[Ask, Checkpoint, int], Canvas]] = {
    "prompt": complete,  # the text goes on
    "messages": complete,  # the next answer of a conversation
    "infill": infill,  # ____ is filled in
    "grid": grid,  # . or 0 is filled in
}


def as_ask(prompt: str, config: DiffusionConfig, conversations: bool) -> Ask:
    """How a plain prompt is meant: a grid for a grid model, gaps where it has ____, a question for a model
    trained on conversations, else a text to go on with."""
    if config.task == "grid":
        return Ask("grid", prompt)
    if canvases.BLANK.search(prompt):
        return Ask("infill", prompt)
    if conversations:
        return Ask("messages", [{"role": "user", "content": prompt}])
    return Ask("prompt", prompt)


def texts_of(ask: Ask) -> list[str]:
    """The texts that a person wrote."""
    return [words_of(m["content"]) for m in ask.content] if ask.mode == "messages" else [ask.content]


def words_of(content: Any) -> str:
    """The words of a message, whose content may have parts: texts and images."""
    parts = content if isinstance(content, list) else [{"text": content}]
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def refuse_unknown(texts: list[str], ids: list[int], tokenizer: Any) -> None:
    """Raises: DataError that names the words of `texts` which a small vocabulary lacks, rather than lose
    them; `ids` is what has become of the texts."""
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown in (tokenizer.eos_token_id, tokenizer.pad_token_id):
        return
    if unknown not in ids:
        return
    parts = [part for text in texts for part in canvases.BLANK.split(text) if part]
    lost = list(dict.fromkeys(piece for part in parts for piece in _unknown_in(part, tokenizer, unknown)))
    named = ", ".join(repr(word) for word in lost[:8]) or "something in this text"
    raise DataError(
        f"This model does not know {named}: its vocabulary has {len(tokenizer)} tokens. Use other words."
    )


def _unknown_in(text: str, tokenizer: Any, unknown: int) -> list[str]:
    """What a vocabulary lacks of a text, read where it stands: alone, a full stop may be another token."""
    if not tokenizer.is_fast:  # it cannot say where a token stood
        return [w for w in re.findall(r"\w+|[^\w\s]", text) if unknown in tokenize([w], tokenizer)[0]]
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    places = [
        place
        for token, place in zip(read["input_ids"], read["offset_mapping"], strict=True)
        if token == unknown
    ]
    return [text[start:end].strip() or text[start:end] for start, end in places]
