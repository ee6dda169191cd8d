"""studio sample: a prompt becomes text, and one sees how."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.session import Home, Json, services

if TYPE_CHECKING:
    from backend.services.checkpoints import ModelView
    from backend.studio import Studio

GAP = "____"  # in a prompt: fill in here, instead of writing on


PROMPT_HELP = (
    "What to ask a chat model, or a text to go on from; ____ in it is filled in; a grid for a grid model."
)
Prompt = Annotated[str | None, typer.Option("--prompt", "-p", help=PROMPT_HELP)]
Prompts = Annotated[
    Path | None, typer.Option("--prompts", help="A file of prompts: .txt, one a line, or .jsonl.")
]
Plain = Annotated[
    bool, typer.Option("--plain", help="Go on from the prompt as it stands, with a chat model too.")
]


def sample(
    model: Annotated[str, typer.Argument(help="A model's name, `run:train-0001`, or a folder.")],
    prompt: Prompt = None,
    prompts: Prompts = None,
    plain: Plain = False,
    steps: Annotated[int | None, typer.Option("--steps", help="Forward passes; fewer are faster.")] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option("--max-new-tokens", help="Length of the answer.")
    ] = None,
    block_size: Annotated[
        int | None, typer.Option("--block-size", help="Tokens of a block, filled from left to right.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", help="0 takes the likeliest token; higher is more varied."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any other sampler setting: cfg_scale=1.5. May repeat."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same text.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the model loaded for the next call, until it has idled.")
    ] = False,
    json: Json = False,
    home: Home = None,
) -> None:
    """Write text with a model and watch it appear. Settings not given come from the model's own preset."""
    from jobs.protocol.errors import SpecError
    from jobs.specs.load import apply_override
    from studio.cli.sampling import model_server, sampler_settings

    if (prompt is None) == (prompts is None):
        raise SpecError("Give either --prompt TEXT or --prompts FILE.")
    named = {
        "steps": steps,
        "max_new_tokens": max_new_tokens,
        "block_size": block_size,
        "temperature": temperature,
    }
    changes = {key: value for key, value in named.items() if value is not None}
    for item in set_ or []:
        apply_override(changes, item)
    with services(home, schedule=True) as studio:
        settings = sampler_settings(studio.models.get(model).sampler, changes)
        if prompts is not None:
            _many(studio, model, prompts, settings, seed, json)
            return
        with model_server(studio, keep):
            content = ask(studio.models.get(model), prompt or "", plain)
            _one(studio, {"model": model, **content, "sampler": settings, "seed": seed}, prompt or "", json)


def ask(view: "ModelView", prompt: str, plain: bool) -> dict[str, Any]:
    """How a prompt is put to a model: as in a file of prompts, a chat model is asked, others go on."""
    if view.task == "grid":
        return {"grid": prompt}
    if GAP in prompt:
        return {"infill": prompt}
    if view.chat and prompt and not plain:
        return {"messages": [{"role": "user", "content": prompt}]}
    return {"prompt": prompt}


def _one(studio: "Studio", request: dict[str, Any], prompt: str, json: bool) -> None:
    """One prompt, live on a terminal, as plain text elsewhere, as an object with --json."""
    from rich.console import Console

    from studio.cli.render import as_json
    from studio.cli.sampling import generate

    console = Console(quiet=json)
    canvas = generate(studio, console, request)
    if json:
        print(
            as_json(
                {
                    "model": request["model"],
                    "prompt": prompt,
                    "text": canvas.answer,
                    "seed": request["seed"],
                    "forward_passes": canvas.nfe,
                    "seconds": canvas.seconds,
                }
            )
        )
    elif not console.is_terminal:
        print(canvas.answer)


def _many(
    studio: "Studio", model: str, prompts: Path, settings: dict[str, Any] | None, seed: int, json: bool
) -> None:
    """A file of prompts, as a job of its own: sampled in batches, kept in its run folder."""
    import json as parser

    from jobs.protocol.folder import RunFolder
    from jobs.specs.job import SampleSpec
    from studio.cli.follow import wait_for
    from studio.cli.render import as_json, safe
    from studio.cli.session import on_terminal

    spec = SampleSpec.parse(
        {"model": model, "prompts": str(prompts.resolve()), "sampler": settings, "seed": seed}
    )
    job = wait_for(studio.jobs, studio.jobs.submit(spec).id)
    lines = RunFolder(job.folder).predictions.read_text(encoding="utf-8").splitlines()
    answers = [parser.loads(line) for line in lines]
    if json:
        print(as_json(answers))
        return
    for answer in answers:
        print(safe(answer["text"]) if on_terminal() else answer["text"])
