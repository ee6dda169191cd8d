"""Data that was tokenized ahead of time: a folder of Arrow files, memory-mapped, so that any amount of it
takes no memory.

    <folder>/prepared.json        what it is, written last
    <folder>/shard-00000.arrow    token ids of rows in their order, one record batch a file
    <folder>/validation.arrow     the sequences held out
    <folder>/starts.npy           packing whole documents: where each sequence begins, in tokens

Packing costs nothing here: a packed sequence is a window over the tokens of all shards.
"""

import bisect
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow

from jobs.data.encode import Sequence as Tokens
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec
from jobs.specs.data_files import PREPARED, USED

MANIFEST = PREPARED
VALIDATION = "validation.arrow"
STARTS = "starts.npy"
SCHEMA = pyarrow.schema(
    [
        ("input_ids", pyarrow.large_list(pyarrow.int32())),
        ("prompt_length", pyarrow.int32()),
        ("hash", pyarrow.uint64()),
        ("earlier", pyarrow.large_list(pyarrow.int32())),  # starts and ends of trained answers in the prompt
        ("documents", pyarrow.large_list(pyarrow.int32())),  # where texts of a packed sequence begin
    ]
)


@dataclass(frozen=True)
class Manifest:
    """What a folder of prepared data is."""

    key: str  # hash of content, tokenizer and settings
    data: dict[str, Any]  # the DataSpec
    tokenizer: str  # fingerprint, see jobs.data.fingerprint
    template: str | None  # the chat template that conversations were written by
    kind: str  # "messages" or "text"
    note: str  # how the rows were read
    notes: list[str]  # what was cut or left out
    sequences: list[int]  # rows kept, of each shard
    tokens: list[int]  # of each shard
    longest: int  # tokens of the longest sequence
    held_out: int  # rows
    windows: str  # "rows": a row a sequence; "full": cut through; "whole": as starts.npy says
    bad: dict[str, int] = field(default_factory=dict)  # rows left out as decided, by kind
    version: int = 1

    def spec(self) -> DataSpec:
        return DataSpec.parse(self.data, where=MANIFEST)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def is_prepared(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def settings(data: DataSpec) -> DataSpec:
    """The spec whose settings count: of prepared data that with which it was made. Raises: DataError."""
    if data.path is None or not is_prepared(Path(data.path)):
        return data
    return load_manifest(Path(data.path)).spec()


def shard_name(number: int, side: str = "shard") -> str:
    return f"{side}-{number:05}.arrow"


def load_manifest(folder: Path) -> Manifest:
    """Raises: DataError where it is not readable by this version."""
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise DataError(f"{folder / MANIFEST} cannot be read ({error}); prepare the data again.") from None


def write_rows(
    path: Path, rows: list[Tokens], hashes: list[int], facts: dict[str, Any] | None = None
) -> None:
    """One record batch; `facts` go into its schema. Written aside and renamed."""
    schema = SCHEMA.with_metadata({"facts": json.dumps(facts or {})})
    arrays = [
        pyarrow.array([row.input_ids for row in rows], SCHEMA.field(0).type),
        pyarrow.array([row.prompt_length for row in rows], pyarrow.int32()),
        pyarrow.array(hashes, pyarrow.uint64()),
        pyarrow.array([[at for span in row.earlier for at in span] for row in rows], SCHEMA.field(3).type),
        pyarrow.array([row.documents for row in rows], SCHEMA.field(4).type),
    ]
    aside = path.with_name(f".{path.name}")
    with pyarrow.ipc.new_file(str(aside), schema) as writer:
        writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
    aside.replace(path)


def facts_of(path: Path) -> dict[str, Any] | None:
    """The facts of a file that `write_rows` finished, None where there is no such file."""
    if not path.exists():
        return None
    with pyarrow.memory_map(str(path)) as source:
        return json.loads(pyarrow.ipc.open_file(source).schema.metadata[b"facts"])


class Shard:
    """A file of rows, mapped: ids [tokens] int32, offsets [rows + 1], prompts [rows], hashes [rows]."""

    def __init__(self, path: Path):
        """Raises: DataError where the file is missing or broken."""
        try:
            batch = pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).get_batch(0)
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(f"{path} cannot be read ({error}); prepare the data again.") from None
        lists = batch.column(0)
        self.ids = lists.values.to_numpy(zero_copy_only=True)
        self.offsets = lists.offsets.to_numpy(zero_copy_only=True)
        self.prompts = batch.column(1).to_numpy(zero_copy_only=True)
        self.hashes = batch.column(2).to_numpy(zero_copy_only=True)
        self.lists = [batch.column(number) for number in range(3, batch.num_columns)]  # 0.1 had none

    def __len__(self) -> int:
        return len(self.prompts)

    def row(self, number: int) -> Tokens:
        start, end = self.offsets[number], self.offsets[number + 1]
        flat, documents = [column[number].as_py() for column in self.lists] or ([], [])
        earlier = tuple(zip(flat[::2], flat[1::2], strict=True))
        ids = self.ids[start:end].tolist()
        return Tokens(ids, int(self.prompts[number]), earlier, documents=tuple(documents))


def _in_use(folder: Path) -> IO[str] | None:
    """Held open, it keeps the folder from being cleaned away. None where the folder cannot be written to."""
    try:
        mark = open(folder / USED, "a")  # noqa: SIM115 - held as long as the sequences are
    except OSError:
        return None
    fcntl.flock(mark, fcntl.LOCK_SH)
    os.utime(folder / USED)
    return mark


class PreparedSequences(Sequence):
    """The sequences to train on, read from their files when they are asked for."""

    def __init__(self, folder: Path):
        """Raises: DataError where files are missing."""
        self.folder = folder
        self.manifest = load_manifest(folder)
        self.length = self.manifest.spec().max_length
        self.separate = self.manifest.spec().separate_documents
        self.tokens_before = [0, *accumulate(self.manifest.tokens)]
        self.rows_before = [0, *accumulate(self.manifest.sequences)]
        self.tokens = self.tokens_before[-1]
        whole = self.manifest.windows == "whole"
        self.starts = np.load(folder / STARTS, mmap_mode="r") if whole else None
        self._shards: dict[int, Shard] = {}
        self._use = _in_use(folder)

    def __len__(self) -> int:
        if self.manifest.windows == "rows":
            return self.rows_before[-1]
        if self.starts is not None:
            return len(self.starts) - 1
        return max(self.tokens // self.length, 1 if self.tokens else 0)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = index + len(self) if index < 0 else index
        if not 0 <= i < len(self):
            raise IndexError(index)
        if self.manifest.windows == "rows":
            number = bisect.bisect_right(self.rows_before, i) - 1
            return self._shard(number).row(i - self.rows_before[number])
        if self.starts is not None:
            return self._window(int(self.starts[i]), int(self.starts[i + 1]))
        start = i * self.length
        return self._window(start, min(start + self.length, self.tokens))

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_shards": {},
            "_use": None,
        }  # maps and locks do not travel to other processes

    def _shard(self, number: int) -> Shard:
        if number not in self._shards:
            self._shards[number] = Shard(self.folder / shard_name(number))
        return self._shards[number]

    def _window(self, start: int, end: int) -> Tokens:
        """The tokens from `start` to `end` of all shards' tokens in a row."""
        found: list[int] = []
        begins: list[int] = []
        first = start
        number = bisect.bisect_right(self.tokens_before, start) - 1
        while start < end:
            before, after = self.tokens_before[number], self.tokens_before[number + 1]
            shard, stop = self._shard(number), min(end, after)
            found += shard.ids[start - before : stop - before].tolist()
            if self.separate:
                rows = shard.offsets[slice(*np.searchsorted(shard.offsets, [start - before, stop - before]))]
                begins += [at + before - first for at in rows.tolist() if at + before > first]
            start, number = stop, number + 1
        return Tokens(found, documents=tuple(begins))


def validation_sequences(folder: Path) -> list[Tokens]:
    """The sequences held out. Raises: DataError."""
    shard = Shard(folder / VALIDATION)
    return [shard.row(number) for number in range(len(shard))]


def rows_of(folder: Path, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, tokens of a row before packing) of the split train or validation. Raises: DataError."""
    made = load_manifest(folder)
    train = [shard_name(number) for number in range(len(made.tokens))]
    count = 0
    for name in train if split == "train" else [VALIDATION]:
        shard = Shard(folder / name)
        for number in range(len(shard)):
            count += 1
            tokens = shard.row(number)
            prompt = {"prompt_length": tokens.prompt_length} if made.kind == "messages" else {}
            yield f"{folder.name}, {split} row {count}", {"input_ids": tokens.input_ids, **prompt}


def whole_starts(folder: Path, shards: int, length: int) -> Iterator[int]:
    """Where sequences of whole documents begin, in tokens, and last the end of all: the windows over the
    shards that jobs.data.encode packs in memory."""
    held = total = 0
    yield 0
    for number in range(shards):
        for size in np.diff(Shard(folder / shard_name(number)).offsets).tolist():
            while size:
                piece = min(size, length)
                if held + piece > length:
                    yield total
                    held = 0
                held, total, size = held + piece, total + piece, size - piece
    if held:
        yield total
