"""What every executor can do. All run the same supervisor protocol in the run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.protocol.folder import RunFolder
from jobs.protocol.identity import ProcessIdentity
from jobs.specs.job import JobSpec


@dataclass(frozen=True)
class Liveness:
    """What can be said of an attempt now.

    supervised: its guardian lives. ended: exit.json, looked at after the guardian. survivors: processes that
    run without a guardian. started: a start was tried (run.json exists). same_boot: since this boot.
    waiting: what a batch system says that it waits for. requeues: a stop that nobody asked us for may be the
    batch system's, which starts it again. untold: the guardian saw the end, and died before
    it wrote exit.json.
    """

    supervised: bool = False
    ended: dict[str, Any] | None = None
    survivors: tuple[ProcessIdentity, ...] = ()
    started: bool = False
    same_boot: bool = True
    waiting: str | None = None
    requeues: bool = False
    untold: bool = False

    @property
    def needs_guardian(self) -> bool:
        """Whether a new guardian has something to do: to watch what runs, or to write down how it ended."""
        return bool(self.survivors) or self.untold


class Executor(Protocol):
    """Starts, watches and stops attempts."""

    name: str
    programs: Mapping[str, str]

    def command(
        self, spec: JobSpec, run: RunFolder, devices: Sequence[str] = (), port: int | None = None
    ) -> list[str]:
        """The exact command line of the program."""
        ...

    def submit(
        self, run: RunFolder, attempt: int, devices: Sequence[str], port: int | None = None
    ) -> bool | None:
        """Start the attempt; when this returns it is guarded, or True: it stands in a batch system's queue.

        Raises: ResourceError.
        """
        ...

    def poll(self, run: RunFolder, attempt: int) -> Liveness:
        """How it goes."""
        ...

    def stop(self, run: RunFolder, attempt: int, grace_seconds: float) -> None:
        """Ask it to save and leave; after `grace_seconds` it is made to."""
        ...

    def adopt(self, run: RunFolder, attempt: int) -> None:
        """Give living processes a new guardian. Raises: ResourceError."""
        ...

    def abandon(self, run: RunFolder, attempt: int) -> bool:
        """Make sure that an attempt which never began will not begin any more. False if it did begin."""
        ...
