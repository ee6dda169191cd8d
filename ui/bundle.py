"""The page's own scripts and styles, one file of each: a browser asks for two files, and once.

Each is named with the version of all of them (`studio.js?v=...`) and may be kept for good; others
have another version. They are read when the server starts.
"""

import hashlib
from pathlib import Path

from ui.words import LANGUAGES, script

HERE = Path(__file__).parent
FIRST_SCRIPTS = ("words.js", "stream_hub.js", "stream.js", "live_chart.js", "compare_looks.js")
"""What the other scripts build on, in this order; the others follow by name."""
FIRST_STYLES = ("theme.css", "frame.css", "controls.css")
WORKER = "stream_hub.js"
"""Loaded by itself too: the shared worker of all tabs."""
TYPES = {".css": "text/css", ".js": "text/javascript"}
FOR_GOOD = {"cache-control": "private, max-age=31536000, immutable"}
ASK_AGAIN = {"cache-control": "no-cache"}


def bundle() -> dict[str, str]:
    """What the page loads: name -> text. A catalogue of words comes before the script that uses it."""
    components = HERE / "components"
    scripts = {path.name: path for path in sorted(components.glob("*.js"))}
    ordered = [*(scripts.pop(name) for name in FIRST_SCRIPTS), *scripts.values()]
    styles = [*(HERE / name for name in FIRST_STYLES), *sorted(components.glob("*.css"))]
    return {
        **{f"words-{language}.js": script(language) for language in LANGUAGES},
        "studio.js": "\n".join(_apart(_named(path)) for path in ordered),
        "studio.css": "\n".join(_named(path) for path in styles),
        WORKER: (components / WORKER).read_text("utf-8"),
    }


def version(files: dict[str, str]) -> str:
    """Short name of the contents."""
    return hashlib.sha256("\0".join(files.values()).encode()).hexdigest()[:12]


def _apart(script: str) -> str:
    """A script that fails alone, as it would in a file of its own."""
    return f"try {{\n{script}\n}} catch (error) {{ reportError(error); }}"


def _named(path: Path) -> str:
    """A file under its name, for whoever reads the whole in a browser."""
    return f"/* {path.name} */\n{path.read_text('utf-8')}"
