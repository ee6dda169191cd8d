"""studio sample: a prompt becomes text, and one sees how."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.session import Home, Json, services

if TYPE_CHECKING:
    from backend.services.checkpoints import ModelView
    from backend.services.sampling import Handle
    from backend.studio import Studio

GAP = "____"  # in a prompt: fill in here, instead of writing on


PROMPT_HELP = (
    "What to ask a chat model, or a text to go on from; ____ in it is filled in; a grid for a grid model."
)
Model = Annotated[
    str | None, typer.Argument(help="A model's name, `run:train-0001`, or a folder. With --from: none.")
]
Prompt = Annotated[str | None, typer.Option("--prompt", "-p", help=PROMPT_HELP)]
Image = Annotated[
    list[Path] | None,
    typer.Option("--image", help="A picture to show with the prompt, to a model that sees them. May repeat."),
]
Prompts = Annotated[
    Path | None, typer.Option("--prompts", help="A file of prompts: .txt, one a line, or .jsonl.")
]
Plain = Annotated[
    bool, typer.Option("--plain", help="Go on from the prompt as it stands, with a chat model too.")
]
Constrain = Annotated[
    list[str] | None,
    typer.Option(
        "--constrain",
        help="What must stand at a position of the answer; 0 is its first token: 5:upon. May repeat.",
        metavar="POSITION:TEXT",
    ),
]
Prefix = Annotated[str, typer.Option("--prefix", help="How the answer must begin.")]
Suffix = Annotated[str, typer.Option("--suffix", help="How the answer must end.")]
From = Annotated[
    str | None, typer.Option("--from", help="Branch off an earlier sample, by its id (--json tells it).")
]
Step = Annotated[
    int | None,
    typer.Option("--step", help="With --from: after which of its steps; -1 is before the first.", min=-1),
]
Pin = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        help="With --from: what must stand at a position of the canvas. May repeat.",
        metavar="POSITION:TEXT",
    ),
]
Remask = Annotated[
    list[str] | None, typer.Option("--remask", help="With --from: positions to be written anew: 3, 7-9.")
]
Steps = Annotated[int | None, typer.Option("--steps", help="Forward passes; fewer are faster.")]
MaxNewTokens = Annotated[int | None, typer.Option("--max-new-tokens", help="Length of the answer.")]
BlockSize = Annotated[
    int | None, typer.Option("--block-size", help="Tokens of a block, filled from left to right.")
]
Temperature = Annotated[
    float | None, typer.Option("--temperature", help="0 takes the likeliest token; higher is more varied.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other sampler setting: cfg_scale=1.5. May repeat.", metavar="KEY=VALUE"),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", help="Same seed, same text. [default: 0; with --from the sample's own]", min=0),
]
Keep = Annotated[
    bool, typer.Option("--keep", help="Leave the model loaded for the next call, until it has idled.")
]


def sample(
    model: Model = None,
    prompt: Prompt = None,
    image: Image = None,
    prompts: Prompts = None,
    plain: Plain = False,
    constrain: Constrain = None,
    prefix: Prefix = "",
    suffix: Suffix = "",
    from_: From = None,
    step: Step = None,
    pin: Pin = None,
    remask: Remask = None,
    steps: Steps = None,
    max_new_tokens: MaxNewTokens = None,
    block_size: BlockSize = None,
    temperature: Temperature = None,
    set_: Set = None,
    seed: Seed = None,
    keep: Keep = False,
    json: Json = False,
    home: Home = None,
) -> None:
    """Write text with a model and watch it appear. Settings not given come from the model's own preset."""
    from jobs.protocol.errors import SpecError
    from studio.cli.sampling import model_server, placed, positions

    _check_choice(model, prompt, prompts, from_)
    changes = _changes(steps, max_new_tokens, block_size, temperature, set_)
    forced = {"constraints": placed(constrain, "--constrain"), "prefix": prefix, "suffix": suffix}
    forced = {name: value for name, value in forced.items() if value}
    edits = {"step": step, "pins": placed(pin, "--pin"), "remask": positions(remask)}
    if (forced or image) and prompt is None:
        raise SpecError("--constrain, --prefix, --suffix and --image go with --prompt.")
    if from_ is None and any(value not in (None, {}, []) for value in edits.values()):
        raise SpecError("--step, --pin and --remask go with --from.")
    with services(home, schedule=True) as studio:
        if prompts is not None:
            _many(studio, str(model), prompts, changes, seed or 0, json)
            return
        with model_server(studio, keep):
            if from_ is not None:
                _branch(studio, from_, edits, changes, seed, json)
            else:
                request = {"model": str(model), "seed": seed or 0, **forced}
                _prompt(studio, request, prompt or "", plain, image or [], changes, json)


def _check_choice(model: str | None, prompt: str | None, prompts: Path | None, source: str | None) -> None:
    """Raises: SpecError unless it is clear what to sample from."""
    from jobs.protocol.errors import SpecError

    if sum(given is not None for given in (prompt, prompts, source)) != 1:
        raise SpecError("Give one of --prompt TEXT, --prompts FILE and --from SAMPLE.")
    if (model is None) != (source is not None):
        raise SpecError(
            "Name a model; `studio models` lists them."
            if source is None
            else "With --from the model is the one that wrote the sample: leave it out."
        )


def _changes(
    steps: int | None,
    max_new_tokens: int | None,
    block_size: int | None,
    temperature: float | None,
    others: list[str] | None,
) -> dict[str, Any]:
    """The sampler settings that were given."""
    from jobs.specs.load import apply_override

    named = {
        "steps": steps,
        "max_new_tokens": max_new_tokens,
        "block_size": block_size,
        "temperature": temperature,
    }
    changes = {key: value for key, value in named.items() if value is not None}
    for item in others or []:
        apply_override(changes, item)
    return changes


def show(studio: "Studio", view: "ModelView", prompt: str, plain: bool, images: list[Path]) -> dict[str, Any]:
    """How a prompt with pictures is put to a model. Raises: SpecError, DataError."""
    from backend.services import pictures
    from jobs.protocol.errors import SpecError

    if not view.sees_images:
        raise SpecError(f"{view.name} sees no images: leave --image out, or take a model that does.")
    if plain or not view.chat:
        raise SpecError(
            "Pictures are shown in the model's own chat format: leave --plain out."
            if view.chat
            else f"{view.name} has no chat template, so there is no place for a picture in its text."
        )
    names = [pictures.keep(file, studio.sampling.pictures) for file in images]
    return {"messages": [pictures.message(prompt, names)]}


def ask(view: "ModelView", prompt: str, plain: bool) -> dict[str, Any]:
    """How a prompt is put to a model: as in a file of prompts, a chat model is asked, others go on."""
    if view.task == "grid":
        return {"grid": prompt}
    if GAP in prompt:
        return {"infill": prompt}
    if view.chat and prompt and not plain:
        return {"messages": [{"role": "user", "content": prompt}]}
    return {"prompt": prompt}


def _prompt(
    studio: "Studio",
    request: dict[str, Any],
    prompt: str,
    plain: bool,
    images: list[Path],
    changes: dict[str, Any],
    json: bool,
) -> None:
    """One prompt; `request` holds the model, the seed and what is forced."""
    from studio.cli.sampling import sampler_settings

    view = studio.models.get(request["model"])
    words = show(studio, view, prompt, plain, images) if images else ask(view, prompt, plain)
    handle = studio.sampling.generate(**request, **words, sampler=sampler_settings(view.sampler, changes))
    _tell(studio, handle, {"model": request["model"], "prompt": prompt, "seed": request["seed"]}, json)


def _branch(
    studio: "Studio",
    source: str,
    edits: dict[str, Any],
    changes: dict[str, Any],
    seed: int | None,
    json: bool,
) -> None:
    """A text that begins where another one stood."""
    from backend.services.samples import read_start
    from studio.cli.sampling import sampler_settings

    start = read_start(studio.sampling.find(source))
    settings = sampler_settings(start.get("sampler", {}), changes)
    handle = studio.sampling.branch(source, **edits, sampler=settings, seed=seed)
    facts = {"model": start["model"], "prompt": start["prompt"], "parent": source}
    _tell(studio, handle, {**facts, "seed": start["seed"] if seed is None else seed}, json)


def _tell(studio: "Studio", handle: "Handle", facts: dict[str, Any], json: bool) -> None:
    """One text, live on a terminal, as plain text elsewhere, as an object with --json."""
    from rich.console import Console

    from studio.cli.render import as_json
    from studio.cli.sampling import watch

    console = Console(quiet=json)
    canvas = watch(studio, console, handle)
    if json:
        told = {"text": canvas.answer, "forward_passes": canvas.nfe, "seconds": canvas.seconds}
        print(as_json({"request": handle.request, **facts, **told}))
    elif not console.is_terminal:
        print(canvas.answer)


def _many(
    studio: "Studio", model: str, prompts: Path, changes: dict[str, Any], seed: int, json: bool
) -> None:
    """A file of prompts, as a job of its own: sampled in batches, kept in its run folder."""
    import json as parser

    from jobs.protocol.folder import RunFolder
    from jobs.specs.job import SampleSpec
    from studio.cli.follow import wait_for
    from studio.cli.render import as_json, safe
    from studio.cli.sampling import sampler_settings
    from studio.cli.session import on_terminal

    settings = sampler_settings(studio.models.get(model).sampler, changes)
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
