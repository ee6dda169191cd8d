"""Arrow files and streams, memory-mapped, a batch of rows at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow

from jobs.data.readers.parquet import ROWS, first_line
from jobs.protocol.errors import DataError


def read(path: Path, broken: Callable[[DataError], None]) -> Iterator[tuple[str, dict]]:
    """The rows. Raises: DataError where the file is broken."""
    number = 0
    try:
        for batch in batches(path):
            batch.validate(full=True)  # offsets that point anywhere would end the process
            for start in range(0, batch.num_rows, ROWS):
                for row in batch.slice(start, ROWS).to_pylist():
                    number += 1
                    yield f"{path.name}, row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path.name} is no whole Arrow file (after row {number}): {first_line(error)}."
        ) from None


def batches(path: Path) -> Iterator[pyarrow.RecordBatch]:
    """The record batches of a file, or of a stream as `datasets` writes them; nothing is copied."""
    with pyarrow.memory_map(str(path)) as source:
        try:
            file = pyarrow.ipc.open_file(source)
        except pyarrow.ArrowInvalid:
            source.seek(0)
            yield from pyarrow.ipc.open_stream(source)
            return
        for number in range(file.num_record_batches):
            yield file.get_batch(number)
