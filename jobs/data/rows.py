"""One row of data inside the studio, whatever file or builder it came from."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Picture:
    """An image that stands in a message."""

    name: str  # as the row names it: a path, relative to the folder of the data file


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: str  # "system", "user" or "assistant"
    content: str
    parts: tuple[str | Picture, ...] = ()
    """Where pictures stand between the words: both in their order, `content` then being the words alone."""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(part for part in self.parts if isinstance(part, Picture))

    def turn(self) -> dict[str, Any]:
        """In the form that chat templates take."""
        if not self.pictures:
            return {"role": self.role, "content": self.content}
        parts = [
            {"type": "image", "image": part.name}
            if isinstance(part, Picture)
            else {"type": "text", "text": part}
            for part in self.parts
        ]
        return {"role": self.role, "content": parts}


@dataclass(frozen=True)
class Row:
    """A conversation (`messages`), a plain text (`text`) or token ids (`tokens`), never two of them."""

    place: str  # where it came from, for error messages: "stories.jsonl, line 12"
    text: str | None = None
    messages: tuple[Message, ...] = ()
    folder: Path | None = None  # of the file that it came from; pictures are looked for there, and only there
    tokens: tuple[int, ...] | None = None
    prompt_length: int | None = None
    """Of `tokens`: how many are the prompt. None: they are a plain text."""

    @property
    def kind(self) -> str:
        """ "messages" where there is a prompt that is never masked, else "text"."""
        plain = self.text is not None or (self.tokens is not None and self.prompt_length is None)
        return "text" if plain else "messages"

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All images of the conversation, in order."""
        return tuple(picture for message in self.messages for picture in message.pictures)

    def conversation(self) -> list[dict[str, Any]]:
        """The messages in the form that chat templates take."""
        return [message.turn() for message in self.messages]

    def hash(self) -> int:
        """64 bits of SHA-256 over the content alone: the same text hashes alike in every file and run."""
        if self.text is not None:
            content = self.text
        elif self.tokens is not None:
            content = json.dumps([self.prompt_length, *self.tokens])
        else:
            content = json.dumps(self.conversation(), ensure_ascii=False)
        return int.from_bytes(hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[:8], "big")
