"""Shards of web text in the shape of FineWeb (Penedo et al. 2024, arXiv 2406.17557): a folder of Parquet or
JSON lines with `text` and, where they have them, `language_score` and `token_count`."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from jobs.data.files import files_in, read_file
from jobs.protocol.errors import DataError
from jobs.specs.base import Spec


class Options(Spec):
    """Options of the web_shards builder."""

    path: str = "shards"
    """Folder with the shards."""
    limit: int | None = Field(None, ge=1)
    """Use at most this many pages."""
    language_score: float = Field(0.0, ge=0, le=1)
    """Leave out pages whose language is less certain."""
    shortest: int = Field(1, ge=0)
    """Leave out pages with fewer tokens, as their token_count says."""


def rows(options: Options) -> Iterator[dict]:
    """Pages as `{"text": ...}`, shard by shard. Raises: DataError naming file and row."""
    folder = Path(options.path)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder of shards; set options.path to one.")
    given = 0
    for path in files_in(folder).get("train", []):
        for place, row in read_file(path):
            if not isinstance(row.get("text"), str):
                raise DataError(f"{place}: a page has a 'text'.")
            scores = row.get("language_score"), row.get("token_count")
            wanted = (options.language_score, options.shortest)
            if any(s is not None and s < least for s, least in zip(scores, wanted, strict=True)):
                continue
            if not row["text"].strip():
                continue
            yield {"text": row["text"]}
            given += 1
            if given == options.limit:
                return
