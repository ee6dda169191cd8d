"""Tokenizing ahead of time, in worker processes, into the folder that jobs.data.prepared reads.

This process reads rows and deals them out in chunks, always cut at the same rows; a worker writes a chunk's
file and says what is in it. A chunk whose file is there already is not made again, which is how a stopped
preparation goes on. No more than a few chunks are held at any time.
"""

import heapq
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jobs.data import prepared
from jobs.data.checks.decide import BadRows
from jobs.data.encode import Encoded, Sequence, arranged, encode_rows, nothing_left
from jobs.data.load import RowStream
from jobs.data.prepared import Manifest, Shard, shard_name, write_rows
from jobs.data.rows import Row
from jobs.data.split import all_held_out, bound_of
from jobs.protocol.errors import DataError, ResourceError
from jobs.protocol.folder import write_json
from jobs.specs.data import DataSpec

FIRST_BYTES, CHUNK_BYTES = 2**20, 2**22  # of text in the first chunks, and in the chunks of large data
GROWS_EVERY = (
    16  # chunks: small data is work for all workers, large data does not fall into thousands of files
)
CHUNK_ROWS = 2**14
HELD_OUT = 256  # rows held out that are kept: validation must stay cheap


@dataclass(frozen=True)
class Plan:
    """What is made where."""

    folder: Path
    data: DataSpec
    tokenizer: Any
    key: str
    fingerprint: str
    workers: int


def prepare(plan: Plan, report: Callable[[int], None], bad: BadRows | None = None) -> Manifest:
    """Fill the plan's folder. `report(rows done)` may raise to stop; the same call goes on later. `bad` deals
    with bad rows; None: the first one raises.

    Raises: DataError, ModelError; ResourceError where a worker is killed.
    """
    stream = RowStream(plan.data, bad)
    own = stream.held_out()
    share = plan.data.validation if own is None else 0.0
    facts = _encode_all(plan, stream, bound_of(share), report)
    hashes = [f["hashes"] for f in facts if f["hashes"]]
    if share and not sum(f["held"] for f in facts) and min(h[0] for h in hashes) < max(h[1] for h in hashes):
        # A small file of which no hash is below the bound: its smallest hash alone, as in jobs.data.split.
        for number in range(len(facts)):
            (plan.folder / shard_name(number)).unlink()
        stream = RowStream(plan.data, bad)
        facts = _encode_all(plan, stream, min(h[0] for h in hashes) + 1, report)
    if not any(f["trained"] for f in facts):
        raise all_held_out(share, sum(f["rows"] for f in facts))
    manifest = _manifest(plan, stream, facts, _validation(plan, stream.kind, facts, own))
    write_json(plan.folder / prepared.MANIFEST, manifest.as_json())
    for number in range(len(facts)):
        (plan.folder / shard_name(number, "held")).unlink(missing_ok=True)
    return manifest


def _encode_all(
    plan: Plan, stream: RowStream, bound: int, report: Callable[[int], None]
) -> list[dict[str, Any]]:
    """The facts of all shards, in order."""
    facts: dict[int, dict[str, Any]] = {}
    waiting: dict[int, Future] = {}

    def take(number: int) -> None:
        facts[number] = waiting.pop(number).result()
        report(sum(f["rows"] for f in facts.values()))

    pool = ProcessPoolExecutor(
        plan.workers, _context(), initializer=_begin, initargs=(plan.tokenizer, plan.data, plan.folder, bound)
    )
    try:
        for number, rows in enumerate(chunks(stream.rows())):
            known = prepared.facts_of(plan.folder / shard_name(number))
            if known is not None and known.get("cut") == [bound, len(rows), rows[-1].place]:
                facts[number] = known
                report(sum(f["rows"] for f in facts.values()))
                continue
            waiting[number] = pool.submit(_encode_chunk, number, rows)
            if len(waiting) > 2 * plan.workers:
                take(min(waiting))
        while waiting:
            take(min(waiting))
    except BrokenProcessPool:
        raise ResourceError(
            "A worker of the preparation was killed, most likely for want of memory. "
            "Resume the job with fewer workers; what is done is kept."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [facts[number] for number in range(len(facts))]


def chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The rows in lists that depend on the rows alone. Raises: DataError for rows with images."""
    held: list[Row] = []
    size = number = 0
    for row in rows:
        if row.pictures:
            raise DataError(f"{row.place}: rows with images are not prepared; train on their file itself.")
        held.append(row)
        size += len(row.text or "") + 4 * len(row.tokens or ()) + sum(len(m.content) for m in row.messages)
        if size >= min(CHUNK_BYTES, FIRST_BYTES * (1 + number // GROWS_EVERY)) or len(held) >= CHUNK_ROWS:
            yield held
            held, size, number = [], 0, number + 1
    if held:
        yield held


def _context() -> Any:
    """Workers are forked where that is possible: they need not import everything again."""
    return multiprocessing.get_context("fork" if os.name == "posix" else "spawn")


_work: dict[str, Any] = {}  # of a worker process: what all its chunks share


def _begin(tokenizer: Any, data: DataSpec, folder: Path, bound: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the program's own handlers were forked too
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _work.update(tokenizer=tokenizer, data=data, folder=folder, bound=bound)


def _encode_chunk(number: int, rows: list[Row]) -> dict[str, Any]:
    """Write a chunk's files, and say what is in them."""
    data, folder, bound = _work["data"], _work["folder"], _work["bound"]
    hashes = [row.hash() for row in rows]
    train = [row for row, h in zip(rows, hashes, strict=True) if h >= bound]
    held = sorted(((h, row) for row, h in zip(rows, hashes, strict=True) if h < bound), key=lambda x: x[0])
    encoded = Encoded(rows=len(train))
    made = [s for s in encode_rows(train, _work["tokenizer"], data, encoded) if s.input_ids]
    pairs = [(h, _one(row)) for h, row in held[:HELD_OUT]]
    write_rows(folder / shard_name(number, "held"), [s for _, s in pairs if s], [h for h, s in pairs if s])
    facts = {
        "cut": [bound, len(rows), rows[-1].place],
        "rows": len(rows),
        "trained": len(train),
        "held": len(held),
        "hashes": [min(hashes), max(hashes)],
        "first": train[0].place if train else "",
        "sequences": len(made),
        "tokens": sum(len(s.input_ids) for s in made),
        "longest": max((len(s.input_ids) for s in made), default=0),
        "counts": [encoded.truncated, encoded.skipped, encoded.unknown],
        "refused": encoded.refused,
    }
    write_rows(folder / shard_name(number), made, [0] * len(made), facts)
    return facts


def _one(row: Row) -> Sequence | None:
    """A row held out as its sequence, None where nothing of it is left."""
    made = [s for s in encode_rows([row], _work["tokenizer"], _work["data"], Encoded()) if s.input_ids]
    return made[0] if made else None


def _validation(plan: Plan, kind: str, facts: list[dict[str, Any]], own: list[Row] | None) -> int:
    """Write the sequences held out; the number of rows held out."""
    if own is not None:
        rows = encode_rows(sorted(own, key=Row.hash)[:HELD_OUT], plan.tokenizer, plan.data, Encoded())
        count = len(own)
    else:
        held = _held_rows(plan.folder, len(facts))
        rows = (sequence for _, sequence in heapq.nsmallest(HELD_OUT, held, key=lambda pair: pair[0]))
        count = sum(f["held"] for f in facts)
    made = [s for s in arranged(rows, kind, plan.data) if s.input_ids]
    write_rows(plan.folder / prepared.VALIDATION, made, [0] * len(made))
    return count


def _held_rows(folder: Path, shards: int) -> Iterator[tuple[int, Sequence]]:
    for number in range(shards):
        shard = Shard(folder / shard_name(number, "held"))
        for i in range(len(shard)):
            yield int(shard.hashes[i]), shard.row(i)


def _manifest(plan: Plan, stream: RowStream, facts: list[dict[str, Any]], held_out: int) -> Manifest:
    """The description of what was made. Raises: DataError where that is nothing."""
    data = plan.data
    total = Encoded(rows=sum(f["trained"] for f in facts))
    total.truncated, total.skipped, total.unknown = (
        sum(numbers) for numbers in zip(*(f["counts"] for f in facts), strict=True)
    )
    total.refused = sum(f.get("refused", 0) for f in facts)  # shards of an earlier version do not say
    if not any(f["tokens"] for f in facts):
        raise nothing_left(next(f["first"] for f in facts if f["first"]), data, total)
    longest, windows = max(f["longest"] for f in facts), "rows"
    if stream.kind == "text" and data.packing:
        windows = "whole" if data.whole_documents else "full"
        longest = min(sum(f["tokens"] for f in facts), data.max_length)
    if windows == "whole":
        starts = np.fromiter(prepared.whole_starts(plan.folder, len(facts), data.max_length), np.int64)
        np.save(plan.folder / prepared.STARTS, starts)
        longest = int(np.diff(starts).max())
    return Manifest(
        key=plan.key,
        data=data.model_dump(mode="json"),
        tokenizer=plan.fingerprint,
        template=plan.tokenizer.chat_template if stream.kind == "messages" else None,
        kind=stream.kind,
        note=stream.note(),
        notes=total.notes(data.max_length),
        sequences=[f["sequences"] for f in facts],
        tokens=[f["tokens"] for f in facts],
        longest=longest,
        held_out=held_out,
        windows=windows,
        bad=stream.bad.counts,
    )
