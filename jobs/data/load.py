"""All rows of a job: from files, the Hub, a builder or a mix of them, in one known form."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from jobs.data import formats
from jobs.data.checks.decide import AsTheyCome, BadRows
from jobs.data.checks.scan import Found, located, scanned
from jobs.data.files import read_file
from jobs.data.prepared import is_prepared
from jobs.data.rows import Row
from jobs.data.sources import Source, from_builder, open_source
from jobs.data.split import is_held_out, split
from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec
from jobs.specs.mix import Part, parse

CHUNK = 2048  # rows read between two calls of `report`


@dataclass(frozen=True)
class Rows:
    """What was read: the rows, and how it was understood."""

    rows: list[Row]
    form: str  # names of formats.FORMATS
    kind: str  # "messages" or "text"
    note: str  # one sentence for the person who started the job
    held_out: list[Row] | None = None
    """Rows that the source itself holds out, which are not among `rows`; None: a hash decides."""
    bad: dict[str, int] = field(default_factory=dict)
    """Rows that were left out, by kind (jobs.data.checks.KINDS)."""

    def split(self, share: float) -> tuple[list[Row], list[Row]]:
        """(rows to train on, rows held out). Raises: DataError where nothing would be left to train on."""
        return split(self.rows, share) if self.held_out is None else (self.rows, self.held_out)


def load_rows(
    data: DataSpec,
    report: Callable[[int], None] = lambda done: None,
    aside: Path | None = None,
    pictures: bool = False,
) -> Rows:
    """Every row of the source, at most `data.limit` to train on.

    `report(rows read)` is called every CHUNK rows and may raise to stop. `aside` is where bad rows go if
    `data.on_bad_rows` is "quarantine". `pictures`: see `look`.

    Raises: DataError with file, line and field; SpecError for an unknown builder or option.
    """
    rows: list[Row] = []
    with BadRows(data.on_bad_rows, aside) as bad:
        stream = RowStream(data, bad, pictures)
        for row in stream.rows():
            rows.append(row)
            if len(rows) % CHUNK == 0:
                report(len(rows))
        report(len(rows))
        held_out = stream.held_out()
    return Rows(rows, " + ".join(stream.forms), stream.kind, stream.note(), held_out, bad.counts)


def look(data: DataSpec, pictures: bool = True) -> Iterator[Found]:
    """Every row that a training with this spec would read, good and bad: those to train on in their order,
    and then those that slices hold out. `pictures`: look at the files of images too (their headers only).

    Raises: DataError for a source that cannot be begun, SpecError for an unknown builder or option.
    """
    stream = RowStream(data, AsTheyCome(), pictures)
    held = (replace(found, held_out=True) for found in stream.held_found() or ())
    for number, found in enumerate(chain(stream.found(), held)):
        if number == 0 and found.problem is not None and found.problem.ends_the_file:
            raise found.problem.error()
        yield found


def read_rows(path: Path, format: str = "auto") -> Iterator[Row]:
    """Rows of a file, one by one. Raises: DataError naming file, line and field."""
    part = _Reading(
        Source(path.name, {"train": lambda broken: read_file(path, broken)}, folder=path.resolve().parent)
    )
    return _rows(part.found("train", DataSpec(path=str(path), format=format)))


class RowStream:
    """The rows of a data spec one by one, and, after that, what was found."""

    def __init__(self, data: DataSpec, bad: BadRows | None = None, pictures: bool = False):
        """`bad` deals with bad rows; None: the first one raises. `pictures`: see `look`.

        Raises: DataError, SpecError where a source cannot be opened.
        """
        self.data = data
        self.bad = bad or BadRows("stop")
        self.parts = [
            (part, _Reading(source, bad=self.bad, pictures=pictures)) for part, source in opened(data)
        ]
        self._held: list[Found] | None = None
        self._twice = 0  # rows to train on that are held out too

    @property
    def forms(self) -> list[str]:
        """The forms of the rows read so far."""
        return list(dict.fromkeys(part.form for _, part in self.parts if part.form))

    @property
    def kind(self) -> str:
        return next((part.kind for _, part in self.parts if part.kind), "text")

    def held_out(self) -> list[Row] | None:
        """The rows that the slices hold out, in order; None where they hold out none."""
        held = self.held_found()
        return None if held is None else list(_rows(held))

    def held_found(self) -> list[Found] | None:
        """The same, with the bad ones among them where `bad` gives these on."""
        if self._held is None and any(set(part.slices) - {"train"} for part, _ in self.parts):
            self._held = [
                found
                for part, reading in self.parts
                for name, count in part.slices.items()
                if name != "train"
                for found in taken(reading.side(name, self.data, told=_tells_bad(part, name)), count)
            ]
            if not self._held:
                raise DataError("data.path: the rows to hold out are none; ask for other slices.")
        return self._held

    def rows(self) -> Iterator[Row]:
        """The rows to train on, and, where `held_out()` is None, those that a hash will hold out.

        Raises: DataError where there is none, or the parts are conversations and texts.
        """
        row = None
        for row in _rows(self.found()):
            yield row
        if row is None:
            raise DataError(f"{' + '.join(part.source.name for _, part in self.parts)} gives no rows.")

    def found(self) -> Iterator[Found]:
        """The same, with the bad ones among them where `bad` gives these on. Raises: DataError."""
        held = self.held_out()
        known = {row.hash() for row in held or ()}
        given = 0
        for part, reading in self.parts:
            if part.slices and "train" not in part.slices:
                continue
            side = reading.side("train", self.data, held is not None)
            for found in taken(side, part.slices.get("train"), part.weight):
                if found.row is None:
                    yield found
                    continue
                if found.row.kind != self.kind:
                    raise DataError(f"{found.place}: a mix is of conversations or of texts, never of both.")
                if known and found.row.hash() in known:
                    self._twice += 1
                    continue
                yield found
                given += 1
                if given == self.data.limit:
                    return

    def note(self) -> str:
        """What was read, in sentences."""
        told = [part.note() for _, part in self.parts if part.form]
        if self._twice:
            left_out = counted(self._twice, "row to train on was", "rows to train on were")
            told.append(f"{left_out} left out, being held out too.")
        if self.bad.counts:
            told.append(self.bad.sentence())
        return " ".join(told)


@dataclass
class _Reading:
    """A source while it is read."""

    source: Source
    form: str = ""
    kind: str = ""
    count: int = 0
    fields: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    bad: BadRows = field(default_factory=lambda: BadRows("stop"))
    pictures: bool = False  # whether the files of images are looked at

    def side(self, name: str, data: DataSpec, apart: bool = False, told: bool = True) -> Iterator[Found]:
        """The rows of a split. A source without splits of its own has two: a hash holds rows out for every
        split but `train`. `apart`: leave these out of `train`. A bad row has no side: it is given on where
        `told`. Raises: DataError."""
        if self.source.is_split:
            if name not in self.source.splits:
                known = ", ".join(self.source.splits)
                raise DataError(
                    f"{self.source.name} has no split {name!r}, only {known}. Write [split:rows]."
                )
            yield from self.found(name, data)
            return
        if name != "train" and not data.validation:
            raise DataError(f"{self.source.name}: a split {name!r} needs data.validation above 0.")
        for found in self.found("train", data):
            if name == "train" and not apart:
                yield found
            elif found.row is None:
                if told:
                    yield found
            elif is_held_out(found.row, data.validation) == (name != "train"):
                yield found

    def found(self, split_name: str, data: DataSpec) -> Iterator[Found]:
        """Rows in the form of the first one; bad ones are dealt with as was decided. Raises: DataError."""
        named = str(self.source.files or self.source.name)
        for found in self.bad.good(self.scanned(split_name, data), named):
            if found.row is not None:
                self.kind = self.kind or found.row.kind
                self.count += 1
            yield found

    def scanned(self, split_name: str, data: DataSpec) -> Iterator[Found]:
        """Every row, good or bad. Raises: DataError."""

        def form_of(given: dict, place: str) -> str:
            form = self.form or _form(given, data.format, place, self.source.name)
            if not self.form:
                self.form, self.fields = form, formats.used_fields(form, given)
            return form

        def adapted(given: dict, place: str) -> dict:
            given = self.source.adapt(given, place) if self.source.adapt is not None else given
            return formats.renamed(given, data.columns, place) if data.columns else given

        read = located(self.source.splits[split_name], self.source.name)
        return scanned(read, self.source.folder, self.pictures, adapted, form_of)

    def note(self) -> str:
        """How the source was read."""
        read, left = self.fields
        others = f"; not read: {', '.join(left)}" if left else ""
        unread = [name for name in self.source.splits if name != "train"]
        splits = f" Its other splits: {', '.join(unread)}." if unread else ""
        return (
            f"{self.source.name}: {counted(self.count, 'row')} read as {self.form} for their fields "
            f"{', '.join(read)} ({formats.FORMATS[self.form].NOTE}{others}){self.source.note()}.{splits}"
        )


def opened(data: DataSpec) -> list[tuple[Part, Source]]:
    """The parts of the spec's mix with their sources. Raises: DataError, SpecError."""
    if data.path is None:
        return [(Part(str(data.builder)), from_builder(data))]
    parts = parts_of(data.path)
    made = next((part.name for part in parts if is_prepared(Path(part.name))), None)
    if made not in (None, data.path):
        raise DataError(
            f"{made} is prepared data, which is trained on whole and alone; prepare the mix itself."
        )
    return [(part, open_source(part.name, data)) for part in parts]


def parts_of(path: str) -> tuple[Part, ...]:
    """A path that exists is one part, whatever its letters; else it is read as a mix. Raises: DataError."""
    return (Part(path),) if Path(path).exists() else parse(path)


def taken(found: Iterable[Found], most: int | None, weight: float = 1) -> Iterator[Found]:
    """At most `most` good rows, each `weight` times: 2 gives each twice, 0.5 every second one, evenly spread.
    Bad ones as they come."""
    number = 0
    for each in found:
        if each.row is None:
            yield each
            continue
        for _ in range(int((number + 1) * weight) - int(number * weight)):
            yield each
        number += 1
        if number == most:
            return


def _tells_bad(part: Part, split_name: str) -> bool:
    """Whether a part's bad rows come with this split, that each comes once: with `train`, or the first."""
    return "train" not in part.slices and split_name == next(iter(part.slices))


def _rows(found: Iterable[Found]) -> Iterator[Row]:
    return (each.row for each in found if each.row is not None)


def _form(given: dict, wanted: str, place: str, source: str) -> str:
    """The form of a source's first row. Raises: DataError where it is another one than wanted."""
    if wanted not in ("auto", "messages"):
        if formats.FORMATS[wanted].detect(given):
            return wanted
        found = formats.detect(given, place)
        kind = formats.to_row(found, given, place).kind
        raise DataError(
            f"{source} holds {found} rows ({formats.FORMATS[found].NOTE}), but data.format is {wanted!r}. "
            f"Set data.format to {kind!r} or auto.",
            "format",
        )
    found = formats.detect(given, place)
    if wanted == "messages" and formats.to_row(found, given, place).kind == "text":
        raise DataError(
            f"{source} holds {found} rows ({formats.FORMATS[found].NOTE}), but data.format is 'messages'. "
            "Set data.format to 'text' or auto.",
            "format",
        )
    return found
