"""What this package needs of a tokenizer: a small part of transformers' PreTrainedTokenizerBase."""

from typing import Any, Protocol
from weakref import WeakKeyDictionary


class Tokenizer(Protocol):
    eos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...

    def decode(self, token_ids: Any, *, skip_special_tokens: bool = False) -> str: ...

    def convert_ids_to_tokens(self, ids: Any) -> Any: ...

    def __len__(self) -> int: ...


_TEXTS: WeakKeyDictionary[Tokenizer, dict[int, str]] = WeakKeyDictionary()
"""What token_text has said: every step of every canvas shows some dozens of tokens again."""


def token_text(tokenizer: Tokenizer, token: int) -> str:
    """One token as a person reads it: a leading space is kept, a special token shows its own name, an id that
    has no token shows as <id>. Half a UTF-8 character shows as the replacement sign."""
    known = _TEXTS.setdefault(tokenizer, {})
    if token not in known:
        known[token] = _token_text(tokenizer, token)
    return known[token]


def _token_text(tokenizer: Tokenizer, token: int) -> str:
    piece = tokenizer.convert_ids_to_tokens(token)
    if piece is None:
        return f"<{token}>"
    text = tokenizer.decode([token], skip_special_tokens=False)
    if piece.startswith("▁") and not text.startswith(" "):  # sentencepiece drops the first space
        text = " " + text
    return text or piece


def token_texts(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    """A text for every id, such that joined they read right: where one character is spread over several
    tokens, the first of them has it and the others are empty."""
    texts = [token_text(tokenizer, token) for token in ids]
    start = 0
    while start < len(ids):
        if "�" in texts[start]:
            for stop in range(start + 2, min(start + 4, len(ids)) + 1):  # UTF-8 has at most four bytes
                whole = tokenizer.decode(ids[start:stop], skip_special_tokens=False)
                if "�" not in whole:
                    texts[start:stop] = [whole] + [""] * (stop - start - 1)
                    start = stop - 1
                    break
        start += 1
    return texts


def until_eos(ids: list[int], ends: tuple[int | None, ...]) -> list[int]:
    """The ids before the first end token."""
    cut = [index for index, token in enumerate(ids) if token in ends]
    return ids[: cut[0]] if cut else ids
