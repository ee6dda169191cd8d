"""Where attempts run. EXECUTORS is the list of names."""

from jobs.executors.base import Executor, Liveness
from jobs.executors.inline import InlineExecutor
from jobs.executors.local import LocalExecutor

EXECUTORS = {"local": LocalExecutor, "inline": InlineExecutor}

__all__ = ["EXECUTORS", "Executor", "InlineExecutor", "Liveness", "LocalExecutor"]
