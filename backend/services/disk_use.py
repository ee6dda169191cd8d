"""What the home folder holds: measured now and then, because that means to look at every file."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from backend.services import prepared
from backend.services.disk import folder_size

LEAST_AGE = 30.0
SHARE = 100  # a measurement is good for so many times as long as it took


class DiskUse(BaseModel):
    """Bytes."""

    model_config = ConfigDict(frozen=True)

    runs: int
    prepared: int
    """Prepared data."""
    free: int
    """On their disk, now."""
    age: float
    """Seconds since the first two were measured."""


class DiskUseService:
    """One measurement for all who ask."""

    def __init__(
        self, home: Path, runs: Path, prepared_root: Path, clock: Callable[[], float] = time.monotonic
    ):
        self.home, self.runs, self.prepared, self._clock = home, runs, prepared_root, clock
        self._lock = threading.Lock()
        self._sizes = (0, 0)
        self._measured, self._good_until = 0.0, float("-inf")

    def now(self, fresh: bool = False) -> DiskUse:
        """What there is, measured half a minute ago at most, longer where measuring takes long; with `fresh`
        measured now."""
        asked = self._clock()
        with self._lock:  # who waits here is content with what the one before has measured
            if self._clock() > self._good_until or (fresh and self._measured < asked):
                self._measure()
            runs, prepared_data = self._sizes
            age = self._clock() - self._measured
        free = shutil.disk_usage(self.home).free
        return DiskUse(runs=runs, prepared=prepared_data, free=free, age=age)

    def _measure(self) -> None:
        began = self._clock()
        data = sum(one.size_bytes for one in prepared.preparations(self.prepared))
        self._sizes = (folder_size([self.runs]), data)
        self._measured = self._clock()
        self._good_until = self._measured + max(LEAST_AGE, SHARE * (self._measured - began))
