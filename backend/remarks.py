"""What people wrote about a run, a note and tags: beside its spec as remarks.json, which is what counts.

The database has a copy to list and search by.
"""

import contextlib
import fcntl
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, func

from backend.store.tables import jobs
from jobs.protocol.errors import JobError, ResourceError, SpecError
from jobs.protocol.folder import RunFolder, read_facts, write_json

KEEP = "keep"
"""The tag of runs that cleaning up never takes."""
TAG = re.compile(r"[^\W_][\w.:/+-]*")
TAG_LENGTH, TAGS, NOTE_LENGTH = 40, 20, 10_000
LINES = "\n\t"  # the control characters that a note may hold


class Remarks(BaseModel):
    """A note and tags, in the order in which they were put on."""

    model_config = ConfigDict(frozen=True)

    note: str = ""
    tags: tuple[str, ...] = ()

    def tagged(self, add: Iterable[str] = (), remove: Iterable[str] = ()) -> "Remarks":
        """With some tags and without others. Raises: SpecError."""
        gone = {_plain(tag) for tag in remove}
        kept = [tag for tag in self.tags if tag not in gone]
        tags = tuple(dict.fromkeys([*kept, *checked_tags(add)]))
        if len(tags) > TAGS:
            raise SpecError(
                f"A run has at most {TAGS} tags; these would be {len(tags)}. Take some off first."
            )
        return self.model_copy(update={"tags": tags})

    def noted(self, text: str) -> "Remarks":
        """With another note. Raises: SpecError."""
        return self.model_copy(update={"note": checked_note(text)})


def checked_tags(tags: Iterable[str]) -> list[str]:
    """Tags as they are kept. Raises: SpecError for one that is none."""
    found = [_plain(tag) for tag in tags]
    for tag in found:
        if len(tag) > TAG_LENGTH or not TAG.fullmatch(tag):
            raise SpecError(
                f"{tag[: 2 * TAG_LENGTH]!r} is no tag: one word of letters, digits and . _ - : / +, "
                f"beginning with a letter or digit, {TAG_LENGTH} characters at most."
            )
    return found


def checked_note(text: str) -> str:
    """A note as it is kept. Raises: SpecError."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
    if len(text) > NOTE_LENGTH:
        raise SpecError(f"A note has at most {NOTE_LENGTH:,} characters; this one has {len(text):,}.")
    for char in text:
        if char not in LINES and unicodedata.category(char) in ("Cc", "Cs"):
            raise SpecError(f"The note holds a character that is no text (U+{ord(char):04X}); leave it out.")
    return text


def read_remarks(run: RunFolder) -> Remarks:
    """What the folder says; of a file that was written by hand, what holds as a note and as tags."""
    facts = read_facts(run.remarks_json) or {}
    remarks = Remarks()
    note, tags = facts.get("note"), facts.get("tags")
    with contextlib.suppress(SpecError):
        remarks = remarks.noted(note if isinstance(note, str) else "")
    for tag in tags if isinstance(tags, list) else []:
        with contextlib.suppress(SpecError):
            remarks = remarks.tagged([tag] if isinstance(tag, str) else [])
    return remarks


def write_remarks(run: RunFolder, remarks: Remarks) -> None:
    """Raises: OSError."""
    write_json(run.remarks_json, remarks.model_dump(mode="json"))


@contextlib.contextmanager
def one_at_a_time(run: RunFolder) -> Iterator[None]:
    """Hold up whoever else would change these remarks, in any process, until this is through.

    Raises: JobError if the run is gone, ResourceError if its folder cannot be written.
    """
    try:
        with open(run.spec_json, "r+b") as file:  # never changed or replaced, so it can serve as the lock
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except FileNotFoundError:
        raise JobError(f"{run.id} is gone: its folder was deleted meanwhile.") from None
    except OSError as error:
        raise ResourceError(f"{run.path} cannot be written: {error.strerror}.") from None


def has_tag(tag: str) -> ColumnElement[bool]:
    """Of a row of jobs. No tag holds a quote, so its JSON stands in that of the tags only where it is one."""
    return func.instr(jobs.c.tags, _json(_plain(tag))) > 0


def columns(remarks: Remarks) -> dict[str, Any]:
    """The same as columns of a row."""
    return {"note": remarks.note, "tags": _json(remarks.tags)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(tag: str) -> str:
    return unicodedata.normalize("NFC", tag.strip())
