"""What a name in `data.path` stands for. KINDS lists what it can be; the first that fits it opens it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from jobs.data import dataset_info, hub
from jobs.data.builders import build
from jobs.data.files import files_in, read_file
from jobs.data.prepared import is_prepared, load_manifest, rows_of
from jobs.data.readers import Broken, text
from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec
from jobs.specs.data_files import kind_of
from jobs.specs.mix import HubName, hub_name

ReadSplit = Callable[[Broken], Iterator[tuple[str, dict]]]


@dataclass(frozen=True)
class Source:
    """Rows by split, read anew at each call."""

    name: str  # for people
    splits: dict[str, ReadSplit]
    """Each is given `broken`, which is told of rows that cannot be read (see jobs.data.readers)."""
    files: list[Path] = field(default_factory=list)
    """What is read, where that is files."""
    identity: str = ""
    """What the rows depend on besides the files' content, never where these lie."""
    folder: Path | None = None  # where the pictures of its rows are looked for
    adapt: Callable[[dict, str], dict] | None = None
    """From a row as it stands there to one of our forms."""
    note: Callable[[], str] = str
    """How it was read, for the note of the whole: asked only where that is told, for it may read the file."""

    @property
    def is_split(self) -> bool:
        """Whether it says itself what is not for training."""
        return set(self.splits) != {"train"}


def open_source(name: str, data: DataSpec) -> Source:
    """The source behind a name. Raises: DataError where there is none."""
    for kind in KINDS.values():
        source = kind(name, data)
        if source is not None:
            return source
    raise DataError(f"{name}: there is no such file.")


def from_builder(data: DataSpec) -> Source:
    """The rows of `data.builder`. Raises: SpecError for an unknown builder or option."""
    name, options = str(data.builder), data.options

    def rows(broken: Broken) -> Iterator[tuple[str, dict]]:
        for number, row in enumerate(build(name, options), 1):
            yield f"builder {name}, row {number}", row

    return Source(f"builder {name}", {"train": rows}, identity=f"builder {name} {sorted(options.items())}")


def _listed(name: str, data: DataSpec) -> Source | None:
    """An entry of LLaMA-Factory's dataset_info.json."""
    if data.info is None:
        return None
    entry = dataset_info.load(Path(data.info)).get(name)
    if entry is None:
        return None
    inner = open_source(entry.source, data.model_copy(update={"info": None}))
    splits = inner.splits
    if entry.split not in splits:
        raise DataError(f"{name}: its source has no split {entry.split!r}, only {', '.join(splits)}.")
    return Source(
        name,
        {"train": lambda broken: islice(splits[entry.split](broken), entry.limit)},
        inner.files,
        f"{inner.identity} {replace(entry, name='', source='')}",
        inner.folder,
        entry.adapt,
        lambda: ", by its entry in dataset_info.json",
    )


def _file(name: str, data: DataSpec) -> Source | None:
    path = Path(name)
    if path.is_dir() or not (path.exists() or kind_of(path)):
        return None
    note = partial(_parting, path) if kind_of(path) == ".txt" and path.exists() else str
    folder = path.resolve().parent
    return Source(path.name, {"train": partial(read_file, path)}, [path], folder=folder, note=note)


def _parting(path: Path) -> str:
    return ", parted by blank lines" if text.is_parted(path) else ", one text a line"


def _prepared(name: str, data: DataSpec) -> Source | None:
    """What a prepare job made: its rows are tokens."""
    folder = Path(name)
    if not is_prepared(folder):
        return None
    splits = {split: lambda broken, split=split: rows_of(folder, split) for split in ("train", "validation")}
    return Source(folder.name, splits, identity=load_manifest(folder).key, note=lambda: ", prepared before")


def _folder(name: str, data: DataSpec) -> Source | None:
    path = Path(name)
    if not path.is_dir():
        return None
    found = files_in(path)
    splits = {split: partial(_one_by_one, path, files) for split, files in found.items()}
    count = len(found.get("train", []))
    files = [file for split in found.values() for file in split]
    sizes = str([(split, len(files)) for split, files in found.items()])
    return Source(path.name, splits, files, sizes, path.resolve(), note=lambda: f", {counted(count, 'file')}")


def _one_by_one(folder: Path, files: list[Path], broken: Broken) -> Iterator[tuple[str, dict]]:
    for file in files:
        above = file.relative_to(folder).parent
        for place, row in read_file(file, broken):
            yield (place if above == Path() else f"{above}/{place}"), row


def _hub(name: str, data: DataSpec) -> Source | None:
    found = hub_name(name)
    if found is None:
        return None
    meant = hub.pinned(found)
    splits = {split: _of_hub(meant, split) for split in hub.splits(meant)}
    return Source(f"{meant.id}@{str(meant.revision)[:7]}", splits, identity=str(meant))


def _of_hub(name: HubName, split: str) -> ReadSplit:
    return lambda broken: hub.rows(name, split)  # the Hub's rows are typed: all can be read or none


KINDS: dict[str, Callable[[str, DataSpec], Source | None]] = {
    "dataset_info": _listed,
    "prepared": _prepared,
    "folder": _folder,
    "file": _file,
    "hub": _hub,
}
