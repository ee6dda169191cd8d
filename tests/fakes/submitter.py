"""Says that it is ready, waits for a line, submits jobs and prints their ids.

`python -m tests.fakes.submitter HOME COUNT`
"""

import sys
from pathlib import Path

from tests.fakes.studio import make_studio, train_spec

if __name__ == "__main__":
    studio = make_studio(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        print(studio.jobs.submit(train_spec("steps=1")).id, flush=True)
