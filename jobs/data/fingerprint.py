"""What prepared data depends on, as a hash: the content, the tokenizer, the settings."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyarrow import parquet

from jobs.data.load import opened
from jobs.data.sources import Source
from jobs.specs.data import DataSpec
from jobs.specs.data_files import kind_of

PIECE = 2**22  # bytes read at a time
NOT_SPLITTING = ("truncation", "padding", "added_tokens", "decoder", "post_processor")
"""Of a tokenizer.json: what changes no token of a text, and added tokens, to which a training adds a mask."""
SOURCE = ("path", "info")  # told by the content
NO_CONTENT = ("ahead", "ahead_folder")  # when and where it is made, not what


def of_tokenizer(tokenizer: Any) -> str:
    """A hash of how a tokenizer cuts texts, and of its end-of-text token."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        told: Any = [type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())]
    else:
        told = {k: v for k, v in json.loads(backend.to_str()).items() if k not in NOT_SPLITTING}
    return _hash([told, tokenizer.eos_token_id])


def of_data(data: DataSpec, check: Callable[[], None]) -> tuple[str, int | None]:
    """(hash of the rows' content and of the spec's settings, rows in all where that is known).

    `check` raises to stop. Raises: DataError, SpecError, OSError.
    """
    parts, counts = [], []
    for part, source in opened(data):
        digests = [source.identity if data.builder is None else _builders(source, data)]
        for path in source.files:
            digest, count = _file(path, check)
            digests.append([digest, kind_of(path)])  # the same bytes are other rows in a file of another kind
            counts.append(count)
        if not source.files:
            counts.append(data.options.get("rows"))
        parts.append([part.weight, sorted(part.slices.items()), digests])
    known = sum(c for c in counts if c is not None) if None not in counts else None
    settings = data.model_dump(mode="json", exclude={*SOURCE, *NO_CONTENT})
    settings["answers"] = data.answers or "last"  # an objective's default, said or not
    return _hash([parts, settings]), min(known, data.limit or known) if known else None


def key_of(content: str, of_tokenizer: str, tokenizer: Any) -> str:
    """The name of what is prepared from these. The chat template counts, and so do added tokens, which cut
    texts too; the mask does not, for a training adds it."""
    added = {str(token): number for number, token in tokenizer.added_tokens_decoder.items()}
    added.pop(str(tokenizer.mask_token), None)
    return _hash([content, of_tokenizer, tokenizer.chat_template, added])[:16]


def _builders(source: Source, data: DataSpec) -> list[str]:
    """What the rows of a builder depend on: its options, our code, and the files that it reads."""
    code = sorted((Path(__file__).parent / "builders").glob("*.py"))
    given = Path(str(data.options.get("path", ""))) if data.options.get("path") else None
    read = sorted(p for p in given.rglob("*") if p.is_file()) if given and given.is_dir() else []
    read += [given] if given and given.is_file() else []
    return [source.identity, *(hashlib.sha256(path.read_bytes()).hexdigest() for path in [*code, *read])]


def _file(path: Path, check: Callable[[], None]) -> tuple[str, int | None]:
    digest, lines = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            check()
            digest.update(piece)
            lines += piece.count(b"\n")
    if path.suffix == ".jsonl":
        return digest.hexdigest(), lines
    return digest.hexdigest(), parquet.read_metadata(path).num_rows if kind_of(path) == ".parquet" else None


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
