"""The same done to many jobs: what cannot be done to one of them is told, and the others go on."""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from backend.services.jobs import JobService
from backend.services.queue import QueueService
from backend.services.remarks import RemarkService
from jobs.protocol.errors import JobError, StudioError

Action = Literal["stop", "resume", "hold", "release", "delete", "tag"]


class Refusal(BaseModel):
    """A job to which it was not done."""

    model_config = ConfigDict(frozen=True)

    id: str
    why: str


class Outcome(BaseModel):
    """What became of each job."""

    model_config = ConfigDict(frozen=True)

    done: list[str]
    refused: list[Refusal]


class BulkService:
    """Jobs one after another, each as it would be alone."""

    def __init__(self, jobs: JobService, queue: QueueService, remarks: RemarkService):
        self.jobs, self.queue, self.remarks = jobs, queue, remarks

    def carry_out(
        self, action: Action, ids: Sequence[str], add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Outcome:
        """Do it to each job. `add` and `remove`: tags, for the action `tag`.

        Of jobs that are stopped those that wait come first, so that none begins meanwhile.
        """
        acts: dict[Action, Callable[[str], object]] = {
            "stop": self._stop,
            "resume": self.jobs.resume,
            "hold": self.queue.hold,
            "release": self.queue.release,
            "delete": self.jobs.delete,
            "tag": lambda job_id: self.remarks.tag(job_id, add, remove),
        }
        order = list(dict.fromkeys(ids))
        if action == "stop":
            waiting = self.jobs.waiting_of(order)
            order.sort(key=lambda job_id: job_id not in waiting)
        done, refused = [], []
        for job_id in order:
            try:
                acts[action](job_id)
                done.append(job_id)
            except StudioError as error:
                refused.append(Refusal(id=job_id, why=str(error)))
        return Outcome(done=done, refused=refused)

    def _stop(self, job_id: str) -> None:
        if not (job := self.jobs.get(job_id)).active:
            raise JobError(f"{job_id} has ended already: it is {job.state}.")
        self.jobs.stop(job_id)
