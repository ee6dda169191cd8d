"""studio chat: a conversation in the terminal."""

from typing import Annotated

import typer

from studio.cli.session import Home, services

HELP = "/new starts again, /quit or Ctrl-D leaves."


def chat(
    model: Annotated[str, typer.Argument(help="A model with a chat template.")],
    steps: Annotated[int | None, typer.Option("--steps", help="Forward passes per answer.")] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option("--max-new-tokens", help="Length of an answer.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same answers.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the model loaded for the next call, until it has idled.")
    ] = False,
    home: Home = None,
) -> None:
    """Talk with a model and watch its answers appear."""
    from rich.console import Console

    from jobs.protocol.errors import ModelError
    from studio.cli.sampling import model_server, sampler_settings, watch

    named = {"steps": steps, "max_new_tokens": max_new_tokens}
    changes = {key: value for key, value in named.items() if value is not None}
    console = Console()
    with services(home, schedule=True) as studio:
        view = studio.models.get(model)
        if not view.chat:
            raise ModelError(
                f"{model} has no chat template: it writes on from a text. Use studio sample {model}."
            )
        settings = sampler_settings(view.sampler, changes)
        typer.echo(HELP, err=True)
        messages: list[dict[str, str]] = []
        with model_server(studio, keep):
            while (said := _ask()) is not None:
                if said == "/new":
                    messages = []
                    continue
                messages.append({"role": "user", "content": said})
                request = {"model": model, "messages": messages, "sampler": settings, "seed": seed}
                canvas = watch(studio, console, studio.sampling.generate(**request), answer_only=True)
                if not console.is_terminal:
                    print(canvas.answer)
                messages.append({"role": "assistant", "content": canvas.answer or ""})


def _ask() -> str | None:
    """The next thing the person says; None if that was all."""
    while True:
        try:
            said = input("> ").strip()
        except EOFError:
            return None
        if said == "/quit":
            return None
        if said:
            return said
