"""A server without pages: schedules until it is killed. `python -m tests.fakes.server HOME CPU_SLOTS`."""

import sys
import time
from pathlib import Path

from tests.fakes.studio import PROGRAMS, LightExecutor, make_studio

if __name__ == "__main__":
    studio = make_studio(Path(sys.argv[1]), LightExecutor(PROGRAMS), int(sys.argv[2]))
    studio.start()
    while True:
        time.sleep(60)
