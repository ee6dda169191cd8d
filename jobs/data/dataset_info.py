"""LLaMA-Factory's dataset_info.json, read as it is.

Source of the meaning of each key: hiyouga/LLaMA-Factory, data/README.md and src/llamafactory/data/parser.py.
An entry that asks for something that is not trained here (ranking, tools, videos, audios) is refused.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.protocol.errors import DataError

ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
COLUMNS = (*ALPACA, "history", "messages", "system", "images")
TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "system_tag": "system",
}
OPENAI = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
KEYS = (
    "file_name",
    "hf_hub_url",
    "formatting",
    "subset",
    "split",
    "num_samples",
    "columns",
    "tags",
    "folder",
)
WITHOUT_EFFECT = ("observation_tag", "function_tag")  # turns of tools; a row that has some is refused


@dataclass(frozen=True)
class Entry:
    """One data set."""

    name: str
    source: str  # a path, or a Hub name
    split: str
    limit: int | None
    formatting: str
    columns: dict[str, str]
    tags: dict[str, str]

    def adapt(self, row: dict, place: str) -> dict:
        """The row as messages, or as a text where it has no answer. Raises: DataError."""
        return _alpaca(self, row, place) if self.formatting == "alpaca" else _turns(self, row, place)


def load(path: Path) -> dict[str, Entry]:
    """The entries by name. An entry that cannot be used is an error only when it is asked for.

    Raises: DataError for a missing or broken file.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise DataError(f"{path} is no valid JSON: {error}.") from None
    if not isinstance(given, dict) or not all(isinstance(entry, dict) for entry in given.values()):
        raise DataError(f"{path}: a dataset_info.json is an object of entries, each an object.")
    return Entries({name: (path, entry) for name, entry in given.items()})


class Entries(dict):
    """Entries that are read when they are asked for."""

    def get(self, name: str, default: Any = None) -> Any:
        """The entry. Raises: DataError where it asks for what is not done here."""
        return _entry(name, *self[name]) if name in self else default


def _entry(name: str, path: Path, given: dict) -> Entry:
    place = f"{path.name}, {name}"
    unknown = [key for key in given if key not in KEYS and given[key]]
    if unknown:
        raise DataError(
            f"{place}: {', '.join(map(repr, unknown))} is not read here. Known: {', '.join(KEYS)}."
        )
    formatting = given.get("formatting", "alpaca")
    if formatting not in ("alpaca", "sharegpt", "openai"):
        raise DataError(f"{place}: formatting {formatting!r} is not known: alpaca, sharegpt or openai.")
    columns = dict(given.get("columns") or (ALPACA if formatting == "alpaca" else {}))
    foreign = [key for key in columns if key not in COLUMNS]
    tags = {key: value for key, value in (given.get("tags") or {}).items() if key not in WITHOUT_EFFECT}
    foreign += [key for key in tags if key not in TAGS]
    if foreign:
        raise DataError(f"{place}: the column or tag {foreign[0]!r} is not read here.")
    names = (OPENAI if formatting == "openai" else TAGS) | tags
    return Entry(
        name,
        _source(given, path, place),
        given.get("split") or "train",
        given.get("num_samples"),
        formatting,
        columns,
        names,
    )


def _source(given: dict, path: Path, place: str) -> str:
    if given.get("hf_hub_url"):
        name, at, revision = str(given["hf_hub_url"]).partition("@")
        return name + (f":{given['subset']}" if given.get("subset") else "") + at + revision
    if not given.get("file_name"):
        raise DataError(f"{place}: it has neither 'file_name' nor 'hf_hub_url'.")
    found = (path.parent / given["file_name"]).resolve()
    if not found.is_relative_to(path.parent.resolve()):
        raise DataError(f"{place}: file_name leads out of the folder of {path.name}.")
    if not found.exists():
        raise DataError(f"{place}: there is no file {found}.")
    return str(found)


def _alpaca(entry: Entry, row: dict, place: str) -> dict:
    """prompt and query are joined by a line break (LLaMA-Factory, AlpacaDatasetConverter)."""
    asked = [_text(row, entry.columns.get(key), place) for key in ("prompt", "query")]
    prompt = "\n".join(text for text in asked if text)
    if "response" not in entry.columns:
        return {"text": prompt}
    turns = []
    for pair in row.get(entry.columns.get("history", "")) or []:
        if not isinstance(pair, list) or len(pair) != 2:
            raise DataError(f"{place}: the history must be a list of [question, answer] pairs.")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    answer = _text(row, entry.columns["response"], place)
    turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return _with_rest(entry, row, turns, place)


def _turns(entry: Entry, row: dict, place: str) -> dict:
    tags = entry.tags
    roles = {tags["user_tag"]: "user", tags["assistant_tag"]: "assistant", tags["system_tag"]: "system"}
    given = row.get(entry.columns.get("messages", "conversations"))
    if not isinstance(given, list) or not all(isinstance(turn, dict) for turn in given):
        raise DataError(f"{place}: the conversation must be a list of messages.")
    turns = []
    for turn in given:
        role = turn.get(tags["role_tag"])
        turns.append({"role": roles.get(role, role), "content": turn.get(tags["content_tag"])})
    return _with_rest(entry, row, turns, place)


def _with_rest(entry: Entry, row: dict, turns: list[dict], place: str) -> dict:
    system = _text(row, entry.columns.get("system"), place)
    if system and not (turns and turns[0]["role"] == "system"):
        turns = [{"role": "system", "content": system}, *turns]
    images = row.get(entry.columns.get("images", ""))
    return {"messages": turns, "images": images} if images else {"messages": turns}


def _text(row: dict, column: str | None, place: str) -> str:
    value = row.get(column) if column is not None else None
    if value is not None and not isinstance(value, str):
        raise DataError(f"{place}: the field {column!r} must be text, it is {type(value).__name__}.")
    return value or ""
