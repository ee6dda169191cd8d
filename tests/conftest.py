"""Every test works in a home of its own and without a network."""

import os
import signal
from pathlib import Path

import pytest

# Before anything imports transformers or datasets: they read these at import.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A runner in the background of a shell ignores Ctrl-C, and so would every process that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

HOSTILE = (
    'home; it\'s a "folder" $HOME'  # blanks, quotes and a dollar: a shell anywhere on the way would choke
)


@pytest.fixture(autouse=True)
def studio_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh, not yet existing home folder with a hostile name; STUDIO_HOME points at it."""
    for name in [name for name in os.environ if name.startswith("STUDIO_")]:
        monkeypatch.delenv(name)  # a developer's own settings
    home = tmp_path / HOSTILE
    monkeypatch.setenv("STUDIO_HOME", str(home))
    return home
