"""All that is to know of a file before it is trained on: counts, examples of what is wrong, remarks."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jobs.data.checks.lines import BOM
from jobs.data.checks.problems import KINDS, Problem
from jobs.data.checks.repeats import Repeats
from jobs.data.checks.scan import Found, scan
from jobs.data.load import look, opened
from jobs.data.readers import opening
from jobs.protocol.counted import counted
from jobs.specs.data import DataSpec
from jobs.specs.data_files import kind_of

EXAMPLES = 5  # problems of each kind that are told in full
CHUNK = 2048  # rows between two calls of `report`
TEXTS = (".jsonl", ".json", ".txt", ".csv", ".tsv")
SHAPES = 100  # different sets of fields that are compared
HEAD = 2**16  # bytes looked at for line ends


@dataclass
class Report:
    """What a check found. `read` = `good` + all `bad`."""

    source: str
    form: str = ""
    kind: str = ""  # "messages" or "text"
    read: int = 0
    good: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    """Bad rows by kind (problems.KINDS)."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    """The first EXAMPLES of each kind: place, kind, problem, row."""
    remarks: list[str] = field(default_factory=list)
    """What is no error and yet worth knowing, a sentence each."""
    whole: bool = True
    """Whether the file was read to its end."""

    @property
    def bad_rows(self) -> int:
        """All bad rows."""
        return sum(self.bad.values())

    def add(self, problem: Problem) -> None:
        """Count a bad row, and keep it as an example if it is among the first of its kind."""
        self.bad[problem.kind] = self.bad.get(problem.kind, 0) + 1
        if self.bad[problem.kind] <= EXAMPLES:
            self.examples.append(problem.line())
        self.whole = self.whole and not problem.ends_the_file

    def sentence(self) -> str:
        """The outcome in one line."""
        rows = f"{self.source}: {counted(self.read, 'row')} read"
        if not self.bad:
            return f"{rows}, all good."
        told = ", ".join(f"{count} with {KINDS[kind]}" for kind, count in _ordered(self.bad))
        end = "" if self.whole else " The file could not be read to its end."
        return f"{rows}, {self.good} good, {self.bad_rows} bad: {told}.{end}"

    def data(self) -> dict[str, Any]:
        """As JSON for the page."""
        meanings = {kind: KINDS[kind] for kind in self.bad}
        return {**asdict(self), "bad_rows": self.bad_rows, "kinds": meanings, "sentence": self.sentence()}


def check(path: Path, report: Callable[[int], None] = lambda rows: None) -> Report:
    """Read a whole file and say what is wrong with it. `report(rows read)` may raise to stop.

    Raises: DataError for a file that cannot be begun.
    """
    return check_rows(scan(path), path.name, path, report=report)


def check_source(data: DataSpec, report: Callable[[int], None] = lambda rows: None) -> Report:
    """The same for all that a training with this spec would read. Raises: DataError, SpecError."""
    sources = [source for _, source in opened(data)]
    files = [path for source in sources for path in source.files]
    names = " + ".join(dict.fromkeys(source.name for source in sources))
    return check_rows(look(data), names, *files, report=report)


def check_rows(
    rows: Iterable[Found],
    source: str,
    *files: Path,
    report: Callable[[int], None] = lambda rows: None,
) -> Report:
    """The same for rows that are scanned already; `files` are those that they came from."""
    found = Report(source)
    repeated, ids = Repeats(), Repeats()
    fields: set[tuple[str, ...]] = set()
    for row in rows:
        found.read += 1
        if found.read % CHUNK == 0:
            report(found.read)
        if row.problem is not None:
            found.add(row.problem)
            continue
        _take_in(row, found, repeated, ids)
        if len(fields) < SHAPES:
            fields.add(tuple(sorted(row.raw)))
    about_files = [remark for path in files for remark in _about_the_file(path)]
    found.remarks = [*dict.fromkeys(about_files), *_about_rows(repeated, ids, fields)]
    return found


def _take_in(row: Found, found: Report, rows: Repeats, ids: Repeats) -> None:
    if row.row is None:
        raise ValueError("a row that is neither good nor bad")
    found.good += 1
    found.form = row.form
    found.kind = row.row.kind
    rows.add(row.row.hash())
    named = row.raw.get("id")
    if isinstance(named, str | int):
        digest = hashlib.sha256(str(named).encode("utf-8", "surrogatepass")).digest()
        ids.add(int.from_bytes(digest[:8], "big"))


def _about_rows(rows: Repeats, ids: Repeats, fields: set[tuple[str, ...]]) -> list[str]:
    told = []
    about = "" if rows.exact else "about "
    if rows.count:
        repeated = counted(rows.count, "row repeats", "rows repeat")
        told.append(f"{about}{repeated} an earlier one word for word.".capitalize())
    if ids.count:
        told.append(f"{counted(ids.count, 'row has', 'rows have')} the id of an earlier row.")
    if len(fields) > 1:
        common = set.intersection(*map(set, fields))
        only = sorted({name for names in fields for name in names} - common)
        told.append(f"Rows differ in their fields: not all have {', '.join(map(repr, only[:8]))}.")
    return told


def _about_the_file(path: Path) -> list[str]:
    if kind_of(path) not in TEXTS:
        return []
    with opening.opened(path) as file:
        head = file.read(HEAD)
    told = []
    if head.startswith(BOM):
        told.append(f"{path.name} begins with a byte order mark, which is passed over.")
    if b"\r\n" in head:
        told.append(f"{path.name} has Windows line ends (CR LF), which are passed over.")
    return told


def _ordered(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
