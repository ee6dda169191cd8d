"""studio probe: what bfloat16 would gain and change for a model on this machine."""

from typing import Annotated

import typer

from studio.cli.session import Home, Json, services

Model = Annotated[str, typer.Argument(help="A model's name, `run:train-0001`, or a folder.")]
Use = Annotated[
    bool, typer.Option("--use", help="Leave the model loaded in bfloat16 for what is sampled next.")
]


def probe(model: Model, use: Use = False, json: Json = False, home: Home = None) -> None:
    """Time a model in float32 and in bfloat16, and count the predictions that stay the same."""
    from studio.cli.render import as_json
    from studio.cli.sampling import model_server

    with services(home, schedule=True) as studio, model_server(studio, keep=use):
        found = studio.precision.probe(model)
        if use:
            studio.precision.load(model, "bfloat16")
    print(as_json(found) if json else found["words"])
