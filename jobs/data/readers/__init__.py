"""How files of rows are read. One file each: `read(path, broken)` gives (place, row) for every row.

`path` may end in one of COMPRESSED after the kind (`rows.jsonl.zst`). `broken` is told of a row that cannot
be read: it raises, or returns to leave that row out. No reader holds more than a part of its file. To add
one, write a file of that shape and name the endings of its files in READERS.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.data.readers import arrow, json_list, jsonl, parquet, table, text
from jobs.data.readers.opening import COMPRESSED
from jobs.protocol.errors import DataError

Broken = Callable[[DataError], None]
ReadRows = Callable[[Path, Broken], Iterator[tuple[str, dict]]]

READERS: dict[str, ReadRows] = {
    ".jsonl": jsonl.read,
    ".json": json_list.read,
    ".csv": table.read,
    ".tsv": table.read,
    ".parquet": parquet.read,
    ".arrow": arrow.read,
    ".txt": text.read,
}
IN_COLUMNS = (".parquet", ".arrow")  # compressed within, never around


def kind_of(path: Path) -> str:
    """The ending that tells how a file is read: `.jsonl` of `rows.jsonl.gz`; "" where nothing reads it."""
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    if endings and endings[-1] in COMPRESSED:
        kind = endings[0] if len(endings) == 2 else ""
        return kind if kind in READERS and kind not in IN_COLUMNS else ""
    return endings[-1] if endings and endings[-1] in READERS else ""
