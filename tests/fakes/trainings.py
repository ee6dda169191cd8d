"""Several trainings in one set of processes, one after the other: starting them is most of a tiny one's time.

`python -m torch.distributed.run ... -m tests.fakes.trainings RUN_FOLDER RUN_FOLDER ...`

A folder that is named a second time has lost its last checkpoint and its model in between, as if it had been
killed, and goes on.
"""

import os
import shutil
import sys

import torch.distributed as dist

from jobs.programs import train
from jobs.programs.process import main
from jobs.programs.training import ranks
from jobs.protocol.folder import RunFolder, write_json


def rewind(run: RunFolder) -> None:
    if dist.get_rank() == 0:
        shutil.rmtree(run.last_checkpoint())
        shutil.rmtree(run.model)
        write_json(run.attempt(1).exit_json, {})
        run.new_attempt()
    dist.barrier()


if __name__ == "__main__":
    for place, folder in enumerate(sys.argv[1:]):
        if folder in sys.argv[1 : place + 1]:
            rewind(RunFolder(folder))
        if code := main("train", train.train, [folder]):
            sys.exit(code)
    ranks.leave()
    sys.stdout.flush()
    os._exit(0)  # a second DeepSpeed engine in one process aborts when the interpreter takes it apart
