"""Where attempts run. EXECUTORS is the list of names."""

from jobs.executors.base import Executor, Liveness
from jobs.executors.inline import InlineExecutor
from jobs.executors.local import LocalExecutor
from jobs.executors.routed import RoutedExecutor
from jobs.executors.slurm import SlurmExecutor

EXECUTORS = {"local": LocalExecutor, "slurm": SlurmExecutor, "inline": InlineExecutor}

__all__ = [
    "EXECUTORS",
    "Executor",
    "InlineExecutor",
    "Liveness",
    "LocalExecutor",
    "RoutedExecutor",
    "SlurmExecutor",
]
