"""How files of rows are read. One file each: `read(path, broken)` gives (place, row) for every row.

`path` may end in one of PACKED after the kind (`rows.jsonl.zst`). `broken` is told of a row that cannot
be read: it raises, or returns to leave that row out. No reader holds more than a part of its file. To add
one, write a file of that shape and name the endings of its files in READERS and in jobs.specs.data_files.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.data.readers import arrow, json_list, jsonl, parquet, table, text
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
