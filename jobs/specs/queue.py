"""When a job may start, and what follows where it fails."""

import re

from pydantic import Field, field_validator

from jobs.protocol.folder import RUN_ID
from jobs.specs.base import Spec

OF_A_GROUP = re.compile(r"^(pipeline|sweep)-")


class QueueSpec(Spec):
    """Conditions of a job's start, and how often it is tried again."""

    hold: bool = False
    """Wait until somebody lets it go: `studio release ID`."""
    after: list[str] = Field(default_factory=list)
    """Ids of jobs that must have ended before this one starts."""
    continue_on_error: bool = False
    """Start although a job of `after` did not succeed. Off: this one is ended too, and says why."""
    retries: int = Field(default=0, ge=0, le=100)
    """How often it is tried again after a failure; each goes on from the last whole checkpoint."""
    retry_wait: float = Field(default=30.0, ge=0, le=86_400)
    """Seconds before the first of these tries; doubled for each further one."""
    resume_lost: bool = False
    """Start it again from its last whole checkpoint when it was lost, as after a power cut."""
    time_limit: float = Field(default=0.0, ge=0)
    """Seconds that a try may run; then it is asked to save and leave. 0: no limit."""
    group: str = Field(default="", max_length=80)
    """The pipeline or sweep that the job belongs to, as the studio numbered it."""
    place: str = Field(default="", max_length=120)
    """Which step of the pipeline, or which point of the sweep, it is."""
    clone_of: str = Field(default="", max_length=80)
    """The run whose settings it began with, where it was made by Clone; for its lineage alone."""

    @field_validator("group")
    @classmethod
    def _a_name_of_its_own(cls, value: str) -> str:
        if "/" in value or (RUN_ID.match(value) and not OF_A_GROUP.match(value)):
            raise ValueError("give a name without / that cannot be that of a job")
        return value
