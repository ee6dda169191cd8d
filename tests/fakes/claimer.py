"""Claims jobs as fast as it can, and prints one line a claim. `python -m tests.fakes.claimer HOME COUNT`.

Ends each claimed job at once, so that devices come free; leaves when COUNT jobs have ended.
"""

import sys
import time
from pathlib import Path

from sqlalchemy import func, select

from backend.scheduler import Scheduler
from backend.store import move
from backend.store.tables import jobs
from jobs.protocol.states import State
from tests.fakes.studio import make_studio

if __name__ == "__main__":
    studio = make_studio(Path(sys.argv[1]))
    scheduler = Scheduler(studio.store, studio.runs, studio.executor)
    while True:
        claim = scheduler.claim()
        if claim is not None:
            print(claim.job_id, *claim.devices, flush=True)
            with studio.store.write() as conn:
                if not move(conn, claim.job_id, State.FAILED, at_attempt=claim.attempt):
                    raise AssertionError("somebody else has ended our claim")
            continue
        with studio.store.read() as conn:
            ended = conn.execute(select(func.count()).where(jobs.c.state == State.FAILED)).scalar_one()
        if ended >= int(sys.argv[2]):
            break
        time.sleep(0.005)
