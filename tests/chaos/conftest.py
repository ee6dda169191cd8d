"""The seed of a run of kills: one for all its processes, said at the end."""

import os
import time

import pytest


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("CHAOS_SEED", str(int(time.time())))
    os.environ.setdefault("CHAOS_ROUNDS", "3")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rounds, seed = os.environ["CHAOS_ROUNDS"], os.environ["CHAOS_SEED"]
    terminalreporter.write_line(f"chaos: CHAOS_ROUNDS={rounds} CHAOS_SEED={seed}")
