"""studio lr-find: a short training with a rising learning rate, and the rate to take."""

from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.session import Home, services

if TYPE_CHECKING:
    from jobs.specs.job import JobSpec

Spec = Annotated[
    str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a recipe, of a training.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the spec. May be repeated."),
]
LINES = 24  # of the printed curve
BAR = 40  # characters of its longest bar


def lr_find(
    spec: Spec,
    set_: Changes = None,
    steps: Annotated[int, typer.Option("--steps", min=20, help="Steps of the search.")] = 100,
    highest: Annotated[
        float,
        typer.Option("--highest", min=1e-6, max=1.0, help="Where the rate ends; it begins at a millionth."),
    ] = 1.0,
    home: Home = None,
) -> None:
    """Find a learning rate: train a few steps while it rises, until the loss blows up.

    The curve stays in the run's events and the suggestion in its result.json; no model is saved.
    """
    from jobs.programs.training import rates
    from jobs.protocol.folder import RunFolder, read_json
    from studio.cli.follow import wait_for
    from studio.cli.run import read_spec

    with services(home, schedule=True) as studio:
        job = studio.jobs.submit(search(read_spec(studio, spec, set_ or []), steps, highest))
        typer.echo(job.id, err=True)
        run = RunFolder(wait_for(studio.jobs, job.id).folder)
    points = rates.curve(run)
    _draw(points)
    rate = (read_json(run.result_json) or {}).get("suggested_rate")
    if rate is None:
        typer.echo("The loss never fell, so there is nothing to suggest. Try more --steps or larger batches.")
    else:
        typer.echo(f"Suggested: --set optimisation.learning_rate={rate:.1e} (a tenth of where it was lowest)")


def search(spec: "JobSpec", steps: int, highest: float) -> "JobSpec":
    """The spec of the search for a training. Raises: SpecError for other jobs."""
    from jobs.protocol.errors import SpecError
    from jobs.specs.load import parse_spec

    data = spec.model_dump(mode="json")
    if data["kind"] != "train":
        raise SpecError(f"lr-find is for trainings; this is a {data['kind']} job.")
    data["name"] = f"Learning rate of {data['name'] or 'a training'}"[:120]
    data["optimisation"] |= {
        "steps": steps,
        "learning_rate": highest,
        "lr_schedule": "rising",
        "warmup_steps": 0,
    }
    often = {"log_every": 1, "evaluate_every": 0, "save_every": 0, "sample_every": 0, "prompts": []}
    data["report"] |= often
    data["data"]["validation"] = 0
    return parse_spec(data)


def _draw(points: list[tuple[float, float]]) -> None:
    """The smoothed curve, a rate a line."""
    import math

    from jobs.programs.training.rates import smooth

    shown = [(rate, loss) for rate, loss in points if math.isfinite(loss)]
    means = smooth([loss for _, loss in shown])
    stride = max(1, -(-len(shown) // LINES))
    top = max(means[: len(means) // 2 + 1], default=1.0)  # what comes after blowing up is cut
    for (rate, _), mean in list(zip(shown, means, strict=True))[::stride]:
        typer.echo(f"{rate:9.1e}  {mean:9.4g}  {'#' * min(BAR, round(BAR * mean / top))}")
