"""Files that were damaged at random: no crash, no hang, and no row is lost in silence."""

import gzip
import json
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from jobs.data.checks.lines import BOM
from jobs.data.checks.problems import KINDS
from jobs.data.checks.scan import scan
from jobs.protocol.errors import DataError

SECONDS = 20  # that one small file may take on a busy machine
ROWS = [
    {"messages": [{"role": "user", "content": f"What is {n}?"}, {"role": "assistant", "content": str(n)}]}
    for n in range(6)
]
TEXTS = [{"text": f'Row {n} is a line, "quoted", with ä and 中.'} for n in range(6)]
NASTY = [
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\n\n", b"\xc3", b"\xed\xa0\x80", b"\x1a"),
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"null", b"[]", b"{}", b"[" * 3000, b'{"a":' * 2000),
    *(b'"', b"\\", b"\\u0000", b"\\ud800", b",", b":", b"}", b"]", b'"messages":', b'"role": "robot",'),
    *(b'"text": 3,', b'"images": ["/etc/passwd"],', b'"input_ids": [1, -2],', b"\xe2\x80\xa8", b"\t"),
]


def lines(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def columns(folder: Path, name: str) -> bytes:
    table = pyarrow.Table.from_pylist(TEXTS)
    if name == ".parquet":
        parquet.write_table(table, folder / "seed.parquet")
        return (folder / "seed.parquet").read_bytes()
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def seeds(folder: Path) -> dict[str, bytes]:
    """A good file of each kind."""
    rows = "text,id\n" + "".join(
        f'"{row["text"].replace(chr(34), chr(34) * 2)}",{n}\n' for n, row in enumerate(TEXTS)
    )
    return {
        ".jsonl": lines(ROWS),
        ".json": json.dumps(ROWS).encode(),
        ".txt": b"\n\n".join(row["text"].encode() for row in TEXTS),
        ".csv": rows.encode(),
        ".tsv": rows.replace(",", "\t").encode(),
        ".jsonl.gz": gzip.compress(lines(TEXTS)),
        ".parquet": columns(folder, ".parquet"),
        ".arrow": columns(folder, ".arrow"),
    }


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def lose(data: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(data) + 1)
    return data[:start] + data[start + draw.randrange(1, 40) :]


def flip(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 8) if data else 0):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def put_in(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(NASTY) + data[at:]


def repeat(data: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(data) + 1)
    piece = data[start : start + draw.randrange(1, 200)]
    return data[:start] + piece * draw.randrange(2, 6) + data[start:]


def shuffle(data: bytes, draw: random.Random) -> bytes:
    parts = data.split(b"\n")
    draw.shuffle(parts)
    return b"\n".join(parts)


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [cut, lose, flip, put_in, put_in, repeat, shuffle]


def damaged(seed: int, good: dict[str, bytes]) -> tuple[str, bytes]:
    """(ending, bytes) of file number `seed`."""
    draw = random.Random(seed)
    ending = draw.choice(list(good))
    data = good[ending]
    inside = ending.endswith(".gz") and draw.random() < 0.6  # damage what is packed, not the package
    data = gzip.decompress(data) if inside else data
    for _ in range(draw.randrange(1, 5)):
        data = draw.choice(MUTATIONS)(data, draw)
    return ending, gzip.compress(data) if inside else data


def filled_lines(data: bytes) -> int:
    """Lines with something on them: counted without our reader."""
    return sum(bool(line.strip()) for line in data.removeprefix(BOM).split(b"\n"))


def look_at(path: Path) -> None:
    """Read a damaged file to its end. Fails on anything but a DataError before its first row."""
    rows, ended = 0, False
    try:
        for found in scan(path):
            assert (found.row is None) != (found.problem is None)
            if found.problem is not None:
                assert found.problem.kind in KINDS and found.problem.text
                ended = found.problem.ends_the_file
            rows += 1
    except DataError as error:
        assert rows == 0 and str(error)
        return
    if path.suffix == ".jsonl":
        assert rows - ended == filled_lines(path.read_bytes())


def look_at_all(folder: Path, numbers: range) -> None:
    def too_long(*_: object) -> None:
        raise TimeoutError(f"one file took more than {SECONDS} s")

    good = seeds(folder)
    before = signal.signal(signal.SIGALRM, too_long)
    try:
        for number in numbers:
            ending, data = damaged(number, good)
            path = folder / f"damaged{ending}"
            path.write_bytes(data)
            signal.alarm(SECONDS)
            try:
                look_at(path)
            except BaseException as error:
                error.add_note(f"file number {number}, {ending}: {data[:300]!r}")
                raise
            finally:
                signal.alarm(0)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("part", range(3))
def test_some_damaged_files(tmp_path: Path, part: int):
    look_at_all(tmp_path, range(part * 100, part * 100 + 100))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_damaged_files(tmp_path: Path, part: int):
    look_at_all(tmp_path, range(1000 * (part + 1), 1000 * (part + 2)))


def test_the_seeds_are_good(tmp_path: Path):
    """Otherwise the damage would be tested on files that are refused anyway."""
    for ending, data in seeds(tmp_path).items():
        path = tmp_path / f"good{ending}"
        path.write_bytes(data)
        assert [found.problem for found in scan(path)] == [None] * 6, ending
