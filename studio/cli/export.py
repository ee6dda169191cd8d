"""studio export: a job as the task of another program, to run it elsewhere."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.session import Home, services

if TYPE_CHECKING:
    from backend.studio import Studio
    from jobs.protocol.folder import RunFolder
    from jobs.specs.job import JobSpec


class Target(StrEnum):
    """Whose task a job can become."""

    skypilot = "skypilot"


def export(
    job: Annotated[
        str, typer.Argument(metavar="JOB|SPEC", help="A job that has ended, a YAML file, or a recipe's name.")
    ],
    to: Annotated[Target, typer.Option("--to", help="Whose task it becomes.")] = Target.skypilot,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="TASK.yaml", help="Write the task here.")
    ] = Path("task.yaml"),
    gpus: Annotated[
        str, typer.Option("--gpus", metavar="NAME:COUNT", help="GPUs of each machine: H100:8.")
    ] = "",
    nodes: Annotated[
        int | None, typer.Option("--nodes", min=1, help="Machines. Without it: as the spec says, else one.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value of a SPEC. May be repeated."),
    ] = None,
    home: Home = None,
) -> None:
    """Write a job as a SkyPilot task, which runs the same folder on a cloud or a cluster.

    Of a SPEC a run folder is made, but nothing is started here.
    """
    from jobs.executors.skypilot import check
    from jobs.executors.skypilot import export as write_task
    from jobs.protocol.errors import SpecError
    from jobs.protocol.folder import write_atomic
    from jobs.specs.load import parse_spec

    out = out.expanduser()
    if out.exists():
        raise SpecError(f"{out} is there already; give another name to --out.")
    with services(home) as studio:
        run = _folder_of(studio, job, set_ or [])
        spec = parse_spec(run.spec()) if run else _resolved(studio, job, set_ or [])
        machines = nodes or (spec.slurm.nodes if spec.slurm else max(1, len(spec.launcher.hosts)))
        check(spec, machines, gpus)  # before there is a folder
        run = run or _new_folder(studio, spec)
        program = studio.executor.programs[spec.kind]
        write_atomic(out, write_task(spec, run, program, machines, gpus, str(out)))
    typer.echo(f"Written to {out}. It runs {run.path}; its first lines say how.")


def _folder_of(studio: "Studio", job: str, changes: list[str]) -> "RunFolder | None":
    """The run folder of a job that has ended; None for a spec. Raises: JobError, SpecError."""
    from jobs.protocol.errors import JobError, SpecError
    from jobs.protocol.folder import RUN_ID

    if not RUN_ID.match(job) or Path(job).exists():
        return None
    if changes:
        raise SpecError(f"{job} has its settings already; --set is for a spec.")
    found = studio.jobs.get(job)
    if found.active:
        raise JobError(f"{job} is {found.state}; stop it before it goes elsewhere.")
    return studio.jobs.folder(job)


def _resolved(studio: "Studio", spec: str, changes: list[str]) -> "JobSpec":
    from studio.cli.run import read_spec

    return studio.resolver(read_spec(studio, spec, changes))


def _new_folder(studio: "Studio", spec: "JobSpec") -> "RunFolder":
    from jobs.protocol.folder import RunFolder

    return RunFolder.create(studio.runs, spec.kind, spec.model_dump(mode="json"))
