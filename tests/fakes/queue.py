"""A queue whose jobs end at once, and a clock that stands still."""

from jobs.protocol.folder import write_json
from tests.fakes.studio import train_spec


class Clock:
    """Seconds since 1970 that pass only when told."""

    now = 1_000_000.0

    def __call__(self):
        return self.now


def program(run, attempt):
    """Ends as the name of the run says."""
    if run.spec()["name"] == "failed":
        return 1
    write_json(run.result_json, {"attempt": attempt.number, "status": run.spec()["name"] or "succeeded"})
    return 0


def succeed(run, attempt):
    """Whatever the name says."""
    write_json(run.result_json, {"attempt": attempt.number, "status": "succeeded"})
    return 0


def submit(studio, name="", priority=0, **queue):
    """The id of a new job."""
    return studio.jobs.submit(train_spec(name, priority=priority, queue=queue)).id


def state(studio, job_id):
    return studio.jobs.get(job_id).state


def order(studio):
    """Ids of the queued jobs by their turn."""
    queued = studio.jobs.list(states=["queued"])
    return [job.id for job in sorted(queued, key=lambda job: job.queue_position)]
