"""Reading files and folders of rows. Every error names the file and the line or row."""

import re
from collections.abc import Iterator
from pathlib import Path

from jobs.data.readers import READERS, Broken
from jobs.protocol.errors import DataError
from jobs.specs.data_files import PACKED, is_rows, kind_of

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
}


def refuse(error: DataError) -> None:
    """The `broken` that stops at the first row that cannot be read."""
    raise error


def read_file(path: Path, broken: Broken = refuse) -> Iterator[tuple[str, dict]]:
    """(place, row as it stands in the file) for every row.

    `broken` is told of a row that cannot be read: it raises, or returns to leave it out.
    Raises: DataError for a missing, empty or broken file.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file ({', '.join(READERS)}).")
    if not path.exists():
        raise DataError(f"{path}: there is no such file.")
    if not kind_of(path):
        raise DataError(
            f"{path}: files ending in {path.suffix!r} are not read; known: {', '.join(READERS)}, the texts "
            f"among them also with {', '.join(PACKED)} after it."
        )
    empty = True

    def told(error: DataError) -> None:
        nonlocal empty
        empty = False
        broken(error)

    try:
        for place, row in READERS[kind_of(path)](path, told):
            empty = False
            yield place, row
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}); save it in UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if empty:
        raise DataError(f"{path} is empty: it holds no rows.")


def files_in(folder: Path) -> dict[str, list[Path]]:
    """The files of rows in a folder and the folders below it, in the order of their names, by split.

    A split is told by a word in the file's own name or its folders' (`train-00000-of-00003.parquet`,
    `test/a.jsonl`); a name without such a word is of `train`. Hidden files and those beside the rows
    (jobs.specs.data_files) are none. Where folders of Arrow files were written by `datasets`, its caches are
    left out.

    Raises: DataError where there is none.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if any(part.startswith(".") for part in below.parts) or not is_rows(path):
            continue
        if path.is_file() and not path.name.startswith("cache-"):
            found.setdefault(split_of(below), []).append(path)
    if not found:
        raise DataError(f"{folder} has no files of rows ({', '.join(READERS)}).")
    return found


def split_of(path: Path) -> str:
    """The split that a path's words name, `train` where they name none."""
    words = {word for part in path.parts for word in re.split(r"[\W_\d]+", part.lower())}
    for split in ("test", "validation", "train"):
        if words & set(SPLITS[split]):
            return split
    return "train"
