"""studio convert: causal models become diffusion models, formats change, LoRA is merged."""

from enum import StrEnum
from typing import Annotated

import typer

from studio.cli.session import Home, services


class SlidingWindow(StrEnum):
    KEEP = "keep"
    FULL = "full"


class Target(StrEnum):
    STUDIO = "studio"
    OFFICIAL = "official"


class Layout(StrEnum):
    SEPARATE = "separate"
    MERGED = "merged"
    FUSED = "fused"
    PLAIN = "plain"
    WRAPPED = "wrapped"


class DType(StrEnum):
    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


Source = Annotated[
    str, typer.Argument(help="A transformers folder, a LoRA adapter's folder, a .gguf file, or a Hub id.")
]
LoraBase = Annotated[
    str | None,
    typer.Option("--lora-base", help="The adapter's base model, if its own config does not name it."),
]
Windows = Annotated[
    SlidingWindow | None,
    typer.Option(
        "--sliding-window",
        help="Window layers: keep the window on both sides, or open it (full). "
        "A causal model needs one of the two; a dLLM does as its own code does.",
    ),
]


def convert(
    source: Source,
    lora_base: LoraBase = None,
    mask_token: Annotated[
        str | None, typer.Option("--mask-token", help="Mask token; added if the tokenizer lacks it.")
    ] = None,
    sliding_window: Windows = None,
    shifted_logits: Annotated[
        bool, typer.Option("--shifted-logits", help="Position i - 1 predicts token i, as in Dream.")
    ] = False,
    dtype: Annotated[
        DType, typer.Option("--dtype", help="Number format of the written weights.")
    ] = DType.AUTO,
    target: Annotated[
        Target, typer.Option("--to", help="A folder of ours, or a family's official format.")
    ] = Target.STUDIO,
    family: Annotated[
        str | None,
        typer.Option("--family", help="The source's family if its folder does not say, or the one to write."),
    ] = None,
    layout: Annotated[
        Layout | None, typer.Option("--layout", help="How experts are written; merged is VeOmni's.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="A name for the job and its model.")] = "",
    home: Home = None,
) -> None:
    """Make a diffusion language model out of a causal one: its mask goes, a mask token comes.

    The result still has to be trained before it writes well. A source that is a diffusion model already goes
    into another format, expert layout or number format instead. A LoRA adapter is merged into its base on the
    way. Needs no server.
    """
    from jobs.specs.job import ConvertSpec
    from studio.cli.follow import wait_for

    spec = ConvertSpec.parse(
        {
            "name": name,
            "source": source,
            "lora_base": lora_base,
            "mask_token": mask_token,
            "sliding_window": sliding_window,
            "shifted_logits": shifted_logits,
            "dtype": dtype,
            "target": target,
            "family": family,
            "layout": layout,
        }
    )
    with services(home, schedule=True) as studio:
        job = wait_for(studio.jobs, studio.jobs.submit(spec).id)
    typer.echo(f"run:{job.id}")
    typer.echo("That is its name in specs and commands. Train a new dLLM before you judge it.", err=True)
