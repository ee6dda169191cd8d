"""studio flops: how many operations a training needs, by the usual count."""

from typing import Annotated

import typer

from studio.cli.session import Home, Json, services


def flops(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a recipe, of a training.")
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the spec. May be repeated."),
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Count floating-point operations, attention included; of a mixture only the experts at work.

    Two for each value and token forward, twice that backward. No row is taken to be shorter than
    data.max_length.
    """
    from jobs.protocol.errors import SpecError
    from jobs.specs.flops import counts
    from jobs.specs.job import TrainSpec
    from studio.cli.render import as_json
    from studio.cli.run import read_spec

    with services(home) as studio:
        parsed = studio.resolver(read_spec(studio, spec, set_ or []))
        if not isinstance(parsed, TrainSpec):
            raise SpecError(f"flops is for trainings; this is a {parsed.kind} job.")
        sizes = studio.estimates.sizes(parsed)[0]
    if sizes is None:
        raise SpecError("The model's config.json does not tell its sizes, so nothing can be counted.")
    found = counts(parsed, sizes)
    if json:
        print(as_json(found))
        return
    for label, figure in found.items():
        typer.echo(f"{label:<44} {figure:.4g}")
