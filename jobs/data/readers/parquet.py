"""Parquet files, a batch of rows at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
from pyarrow import parquet

from jobs.protocol.errors import DataError

ROWS = 1024  # read at a time


def read(path: Path, broken: Callable[[DataError], None]) -> Iterator[tuple[str, dict]]:
    """The rows. Raises: DataError where the file is broken."""
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name}, row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path.name} is no whole Parquet file (after row {number}): {first_line(error)}."
        ) from None


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
