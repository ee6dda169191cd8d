"""torchrun without torch: `python -m tests.fakes.torchrun ... --nproc_per_node N -m PROGRAM ARGUMENTS...`.

Ranks in sessions of their own, as its agent has them; SIGTERM is handed on, and then it ends with 1; when one
rank fails the others are killed. A round of kills can afford it: the real one takes seconds to import.
"""

import os
import signal
import subprocess
import sys
import time
from types import FrameType


def main(argv: list[str]) -> int:
    count = int(argv[argv.index("--nproc_per_node") + 1])
    command = [sys.executable, *argv[argv.index("-m") :]]
    ranks = [
        subprocess.Popen(
            command,
            env={**os.environ, "RANK": str(i), "LOCAL_RANK": str(i), "WORLD_SIZE": str(count)},
            start_new_session=True,
        )
        for i in range(count)
    ]
    told = False

    def hand_on(number: int, _: FrameType | None) -> None:
        nonlocal told
        told = True
        for rank in ranks:
            rank.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    while any(rank.poll() is None for rank in ranks):
        if any(rank.poll() for rank in ranks):
            for rank in ranks:
                rank.kill()
        time.sleep(0.05)
    return 1 if told or any(rank.returncode for rank in ranks) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
