"""Data sets of the Hugging Face Hub, at one commit, read as they come."""

from collections.abc import Iterator
from functools import lru_cache

import datasets
from datasets.exceptions import DatasetNotFoundError

from jobs.protocol.errors import DataError
from jobs.specs.mix import COMMIT, HubName


def pinned(name: HubName) -> HubName:
    """The name, if it says which commit is meant. Raises: DataError that tells how to find it."""
    if name.revision is None or not COMMIT.match(name.revision):
        subset = f":{name.subset}" if name.subset else ""
        raise DataError(
            f"{name.id}: a data set of the Hub may change, so write which commit is meant: "
            f"{name.id}{subset}@<the 40 letters of the commit>. "
            f"They stand at https://huggingface.co/datasets/{name.id}/commits/main."
        )
    return name


@lru_cache(maxsize=64)  # a commit does not change
def splits(name: HubName) -> tuple[str, ...]:
    """The names of its splits. Raises: DataError where the data set cannot be reached."""
    with _Reached(name):
        return tuple(datasets.get_dataset_split_names(name.id, name.subset, revision=name.revision))


def rows(name: HubName, split: str) -> Iterator[tuple[str, dict]]:
    """(place, row) of a split, downloaded as it is read; no code of it is run. Raises: DataError."""
    with _Reached(name):
        stream = datasets.load_dataset(
            name.id, name.subset, split=split, revision=name.revision, streaming=True
        )
        for number, row in enumerate(stream, 1):
            yield f"{name.id}, {split} row {number}", dict(row)


class _Reached:
    """Turns what `datasets` raises into one sentence."""

    def __init__(self, name: HubName):
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DatasetNotFoundError):
            raise DataError(
                f"{self.name.id}: the Hub has no such data set at this commit, or it is a closed one: "
                "log in with `hf auth login`."
            ) from None
        if isinstance(error, (OSError, ValueError, RuntimeError)):  # connections, broken files, odd layouts
            text = next(iter(str(error).splitlines()), type(error).__name__)
            raise DataError(f"{self.name.id} cannot be read from the Hub: {text}") from None
