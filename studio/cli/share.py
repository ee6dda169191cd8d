"""studio export-sample and import-sample: a text that was written, given to others and taken from them."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.session import Home, Json, services

if TYPE_CHECKING:
    from backend.studio import Studio


class Form(StrEnum):
    """In which form a text leaves; also the endings of files."""

    html = "html"
    json = "json"
    gif = "gif"
    mp4 = "mp4"
    py = "py"


def export_sample(
    sample: Annotated[
        str, typer.Argument(help="Its id, as `studio sample --json` and the page's address tell.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            *("--out", "-o"),
            metavar="FILE",
            help="Write it here; the ending says in which form. Without it: ID.html.",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Write a sampled text as .html that plays by itself, .json, .gif, .mp4, or .py that writes it again."""
    from jobs.protocol.errors import SpecError

    out = (out or Path(f"{sample}.{Form.html}")).expanduser()
    ending = out.suffix.lower().removeprefix(".")
    if ending not in list(Form):
        raise SpecError(f"--out ends in .{', .'.join(Form)}; not in {out.suffix or 'nothing'!r}.")
    if out.exists():
        raise SpecError(f"{out} is there already; give another name to --out.")
    with services(home) as studio:
        content = _content(studio, sample, Form(ending))
    out.write_bytes(content)
    typer.echo(f"Written to {out}.", err=True)


def import_sample(
    file: Annotated[Path, typer.Argument(help="A .json file that was exported from a studio.")],
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Take in a text that another studio exported, and print its id here."""
    from backend.services.film_document import MOST_BYTES
    from jobs.protocol.errors import DataError

    file = file.expanduser()
    if not file.is_file():
        raise DataError(f"there is no file {file}.")
    with services(home) as studio, open(file, "rb") as content:
        request = studio.sharing.take(content.read(MOST_BYTES + 1))
    print(json.dumps({"request": request}) if as_json else request)


def _content(studio: "Studio", sample: str, form: Form) -> bytes:
    if form is Form.py:
        return studio.sharing.script(sample).encode()
    document = studio.sharing.document(sample)
    if form is Form.html:
        from ui.film_page import film_page
        from ui.words import ENGLISH

        return film_page([document], ENGLISH).encode()
    if form is Form.json:
        return json.dumps(document, ensure_ascii=False).encode()
    from backend.services import film_pictures

    draw = film_pictures.gif if form is Form.gif else film_pictures.mp4
    return draw(document["lines"])
