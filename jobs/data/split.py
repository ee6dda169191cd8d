"""Which rows are held out. A hash of the row decides, so a row is on the same side in every run and file."""

from jobs.data.rows import Row
from jobs.protocol.errors import DataError


def bound_of(share: float) -> int:
    """Hashes below this are held out."""
    return int(share * 2**64)


def is_held_out(row: Row, share: float) -> bool:
    """Whether the row's hash alone holds it out."""
    return row.hash() < bound_of(share)


def split(rows: list[Row], share: float) -> tuple[list[Row], list[Row]]:
    """(rows to train on, rows held out), both in their old order; equal rows always stay together.

    With a share above 0 at least one row is held out, unless all rows are equal or there is only one.

    Raises: DataError where nothing would be left to train on.
    """
    if share <= 0:
        return list(rows), []
    hashes = [row.hash() for row in rows]
    bound = bound_of(share)
    if not any(h < bound for h in hashes) and len(set(hashes)) > 1:
        bound = min(hashes) + 1  # a small file: its smallest hash alone
    train = [row for row, h in zip(rows, hashes, strict=True) if h >= bound]
    held_out = [row for row, h in zip(rows, hashes, strict=True) if h < bound]
    if rows and not train:
        raise all_held_out(share, len(rows))
    return train, held_out


def all_held_out(share: float, rows: int) -> DataError:
    """The error for a share that leaves nothing to train on."""
    return DataError(
        f"data.validation = {share} holds out all {rows} rows and leaves none to train on. "
        "Lower it, or add rows."
    )
