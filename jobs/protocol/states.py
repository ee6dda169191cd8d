"""The states of a job and the only moves between them."""

from enum import StrEnum


class State(StrEnum):
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"  # the row said running and nothing answers


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.STOPPED, State.LOST})
ACTIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING})  # these hold devices

TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.STARTING, State.STOPPED, State.FAILED}),
    State.STARTING: frozenset(
        {State.RUNNING, State.STOPPING, State.SUCCEEDED, State.FAILED, State.STOPPED, State.LOST}
    ),
    State.RUNNING: frozenset({State.STOPPING, State.SUCCEEDED, State.FAILED, State.STOPPED, State.LOST}),
    State.STOPPING: frozenset({State.STOPPED, State.SUCCEEDED, State.FAILED, State.LOST}),
    # A finished job comes back only as a new attempt.
    State.SUCCEEDED: frozenset({State.QUEUED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.STOPPED: frozenset({State.QUEUED}),
    State.LOST: frozenset({State.QUEUED}),
}


def may_move(old: State, new: State) -> bool:
    """Whether a job may go from `old` to `new`."""
    return new in TRANSITIONS[State(old)]
