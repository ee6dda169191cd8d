"""How the command line shows things: text made safe, sizes, times, tables, JSON. Knows no service."""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

# Control characters a terminal would obey. A model's text or a log may hold any of them.
_CONTROLS = {c: "�" for c in (*range(0x20), *range(0x7F, 0xA0)) if chr(c) not in "\n\t"}

STATE_STYLES = {
    "queued": "dim",
    "starting": "cyan",
    "running": "cyan",
    "stopping": "yellow",
    "succeeded": "green",
    "failed": "red",
    "stopped": "yellow",
    "lost": "red",
}


def safe(text: str) -> str:
    """The text without control characters, line breaks and tabs kept: it can only be shown, not obeyed."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)


def as_json(data: Any) -> str:
    """What --json prints: pydantic objects, and lists of them, as indented JSON."""
    return json.dumps(_plain(data), indent=2, ensure_ascii=False, default=str)


def _plain(data: Any) -> Any:
    if hasattr(data, "model_dump"):
        return data.model_dump(mode="json")
    if isinstance(data, Sequence) and not isinstance(data, str):
        return [_plain(item) for item in data]
    return data


def size(number: float | None) -> str:
    """Bytes for people: 812 B, 3.4 MB, 1.2 GB."""
    if number is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def count(number: float | None) -> str:
    """Parameters and tokens for people: 870, 3.3 M, 8.0 B."""
    if number is None:
        return ""
    for unit in ("", " k", " M"):
        if number < 1000:
            return f"{number:.0f}" if not unit else f"{number:.1f}{unit}"
        number /= 1000
    return f"{number:.1f} B"


def duration(seconds: float | None) -> str:
    """Seconds for people: 0.4 s, 42 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: float | None, now: float | None = None) -> str:
    """A moment (seconds since 1970) as `42 s ago`."""
    if moment is None:
        return ""
    seconds = max(0.0, (time.time() if now is None else now) - moment)
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.0f} days ago"
    return f"{duration(float(round(seconds)) if seconds >= 10 else seconds)} ago"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
    """A plain table; cells are text (made safe) or rich objects."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:  # the first one is what people copy: it stays whole
        result.add_column(column, overflow="fold", no_wrap=column == columns[0])
    for row in rows:
        result.add_row(*(Text(safe(cell)) if isinstance(cell, str) else cell for cell in row))
    return result
