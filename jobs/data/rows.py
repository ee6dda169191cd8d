"""One row of data inside the studio, whatever file or builder it came from."""

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: str  # "system", "user" or "assistant"
    content: str


@dataclass(frozen=True)
class Row:
    """A conversation (`messages`) or a plain text (`text`), never both."""

    place: str  # where it came from, for error messages: "stories.jsonl, line 12"
    text: str | None = None
    messages: tuple[Message, ...] = ()

    def conversation(self) -> list[dict[str, str]]:
        """The messages in the form that chat templates take."""
        return [{"role": m.role, "content": m.content} for m in self.messages]

    def hash(self) -> int:
        """64 bits of SHA-256 over the content alone: the same text hashes alike in every file and run."""
        content = self.text if self.text is not None else json.dumps(self.conversation(), ensure_ascii=False)
        return int.from_bytes(hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[:8], "big")
