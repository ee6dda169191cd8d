"""One executor for all jobs: each goes where its spec says."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs.executors.base import Executor, Liveness
from jobs.protocol.folder import RunFolder
from jobs.specs.job import JobSpec


class RoutedExecutor:
    """Jobs with `slurm` settings go to `slurm`, all others to `local`."""

    name = "routed"

    def __init__(self, local: Executor, slurm: Executor):
        self.local, self.slurm = local, slurm
        self.programs: Mapping[str, str] = local.programs
        self._chosen: dict[Path, tuple[tuple[int, int], Executor]] = {}

    def command(
        self, spec: JobSpec, run: RunFolder, devices: Sequence[str] = (), port: int | None = None
    ) -> list[str]:
        return (self.slurm if spec.slurm else self.local).command(spec, run, devices, port)

    def submit(
        self, run: RunFolder, attempt: int, devices: Sequence[str], port: int | None = None
    ) -> bool | None:
        return self._of(run).submit(run, attempt, devices, port)

    def poll(self, run: RunFolder, attempt: int) -> Liveness:
        return self._of(run).poll(run, attempt)

    def stop(self, run: RunFolder, attempt: int, grace_seconds: float) -> None:
        self._of(run).stop(run, attempt, grace_seconds)

    def adopt(self, run: RunFolder, attempt: int) -> None:
        self._of(run).adopt(run, attempt)

    def abandon(self, run: RunFolder, attempt: int) -> bool:
        return self._of(run).abandon(run, attempt)

    def _of(self, run: RunFolder) -> Executor:
        """By the run's spec, read once: running jobs are asked about twice a second."""
        about = run.spec_json.stat()
        key = (about.st_mtime_ns, about.st_ino)  # a number may come back after its run was deleted
        known = self._chosen.get(run.path)
        if known is None or known[0] != key:
            known = (key, self.slurm if run.spec().get("slurm") is not None else self.local)
            self._chosen[run.path] = known
        return known[1]
