"""A text that was written as one file that plays by itself: the canvas's own scripts, the trajectory as data.

Nothing in it asks for anything elsewhere, and a policy in its head sees to that. The trajectory stands in a
script element that no browser runs; the player reads it as JSON and shows texts as text only.
"""

import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ui.words import catalogue

HERE = Path(__file__).parent
PARTS = ("film", "cells", "legend", "popover", "transport", "readings")
STYLES = (
    *("theme.css", "components/denoise_canvas.css", "components/denoise_readings.css"),
    *("components/lanes.css", "film_page.css"),
)
SCRIPTS = (
    *("components/words.js", "components/stream.js"),
    *(f"components/denoise_{part}.js" for part in PARTS),
    *("components/lanes_clock.js", "components/lanes_transport.js", "components/lane_view.js"),
    *("film_lanes.js", "film_page.js"),
)
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
TITLE_LETTERS = 80
PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{styles}
</style>
</head>
<body>
<main></main>
<script type="application/json" id="film">{film}</script>
<script>
{scripts}
</script>
</body>
</html>
"""


def film_page(documents: list[dict[str, Any]], language: str) -> str:
    """The whole file, for readers of a language. `documents` (see backend/services/film_document.py): a text,
    or lanes that play side by side."""
    prompt = " ".join(str(documents[0]["lines"][0]["prompt"]).split())
    styles, scripts = _read(STYLES), _read(SCRIPTS)
    words = {text: said for text, said in catalogue(language).items() if json.dumps(text) in scripts}
    return PAGE.format(
        language=language,
        policy=html.escape(POLICY),
        title=html.escape(prompt[:TITLE_LETTERS] or "dLLM Studio"),
        styles=styles,
        film=as_data(documents),
        scripts=f"window.studioWords = {as_data(words)};\n{scripts}",
    )


def as_data(value: Any) -> str:
    """JSON that can stand in a script element: no text in it can close the element."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).replace(
        "<", "\\u003c"
    )


def _read(names: Iterable[str]) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)
