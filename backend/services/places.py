"""Where things lie: the bundled assets and the parts of the home folder."""

import os
from pathlib import Path

from jobs.protocol.errors import AccessError

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def under(path: Path, *roots: Path) -> Path:
    """The resolved path.

    Raises: AccessError where it does not lie under one of the roots.
    """
    real = path.resolve()
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise AccessError(f"{path} lies outside the folders of this studio.")
    return real


def is_path(text: str) -> bool:
    """Whether a person who wrote this meant a path, not a listed name."""
    return text.startswith(("/", "~", ".")) or os.sep in text


def absolute(text: str) -> Path:
    """A path as a person writes it, with `~` and made absolute."""
    return Path(os.path.abspath(Path(text).expanduser()))
