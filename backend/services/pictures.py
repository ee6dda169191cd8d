"""Pictures that people show to a model: kept in the home folder, where alone requests look for them."""

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from jobs.protocol.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
MOST_BYTES = 64 * 2**20  # what the programs read at most


def keep(file: Path, folder: Path) -> str:
    """Copy a picture into `folder`. Returns its name there, which follows from what is in it, so one that is
    shown twice is kept once. Whether it can be read as a picture is found out by the program that does.

    Raises: DataError for a file that is missing, too large, or none of the known kinds by its name.
    """
    suffix = file.suffix.lower()
    if not file.is_file():
        raise DataError(f"There is no image {str(file)!r}.")
    if suffix not in SUFFIXES:
        raise DataError(f"{file.name!r} is no image by its name; known: {', '.join(SUFFIXES)}.")
    if file.stat().st_size > MOST_BYTES:
        raise DataError(f"The image {file.name!r} is larger than {MOST_BYTES >> 20} MiB; shrink it.")
    with open(file, "rb") as content:
        name = hashlib.file_digest(content, "sha256").hexdigest()[:32] + suffix
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / name).exists():
        aside = folder / f".{uuid.uuid4().hex}"
        shutil.copyfile(file, aside)
        os.replace(aside, folder / name)
    return name


def message(words: str, names: list[str]) -> dict:
    """What a person says with pictures, which come first."""
    parts = [{"type": "image", "image": name} for name in names]
    return {"role": "user", "content": [*parts, {"type": "text", "text": words}] if parts else words}
