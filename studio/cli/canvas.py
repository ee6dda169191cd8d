"""A trajectory drawn in the terminal: what is known, how sure the model was, what is still masked.

Confidence is told twice, by colour and by line: sure tokens are plain, unsure ones underlined, very unsure
ones underlined and slanted. What the last step wrote is bold. A masked token is a shaded block.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.protocol.counted import counted
from studio.cli.render import duration, safe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

MASK = "░░"
BLANK = "·"  # a masked cell of a grid


class Band(NamedTuple):
    """Tokens of at least this probability, and how they look."""

    probability: float
    style: str
    label: str


BANDS = (
    Band(0.9, "green", "90 % sure or more"),
    Band(0.6, "cyan", "60 %"),
    Band(0.3, "yellow underline", "30 %"),
    Band(0.0, "red underline italic", "less"),
)


def style(probability: float) -> str:
    """The look of a token of this probability."""
    return next(band.style for band in BANDS if probability >= band.probability)


class Canvas:
    """The state of one trajectory, moved on line by line."""

    def __init__(self, answer_only: bool = False) -> None:
        self.answer_only = answer_only
        self.first = 0  # where what is shown begins
        self.texts: list[str] = []
        self.probability: list[float | None] = []
        self.given: set[int] = set()
        self.masked: set[int] = set()
        self.fresh: set[int] = set()
        self.grid: dict[str, int] | None = None
        self.total = 0
        self.nfe = 0
        self.seconds = 0.0
        self.answer: str | None = None
        self.reason: str | None = None
        self.error: str | None = None

    def apply(self, line: dict[str, Any]) -> None:
        """Take in one line of a trajectory (see jobs.protocol.trajectory)."""
        if line["type"] == "start":
            self.texts = list(line["texts"])
            self.probability = [None] * line["length"]
            self.given = set(line["given"])
            self.grid = line.get("grid")
            self.first = line["prompt_length"] if self.answer_only else 0
            self.masked = {i for i, token in enumerate(line["ids"]) if token == line["mask_id"]}
            self.total = len(self.masked)
            return
        self.nfe, self.seconds = line.get("nfe", self.nfe), line.get("seconds", self.seconds)
        if line["type"] == "end":
            self.texts = list(line.get("texts") or self.texts)
            self.fresh = set()
            self.answer, self.reason, self.error = line.get("text"), line["reason"], line.get("error")
            return
        self.fresh = set()
        for position, _, text, probability, event, *_ in line["deltas"]:
            self.texts[position] = text
            self.probability[position] = probability
            (self.masked.add if event == "remasked" else self.masked.discard)(position)
            self.fresh.add(position)

    def text(self) -> "Text":
        """The canvas as it stands."""
        from rich.text import Text

        if self.grid:
            return self._grid_text(self.grid)
        result = Text()
        for position, text in enumerate(self.texts[self.first :], self.first):
            if position in self.masked:
                result.append(MASK, style="dim")
            else:
                result.append(safe(text), style=self._style(position))
        return result

    def _grid_text(self, grid: dict[str, int]) -> "Text":
        """Rows and columns with a gap between boxes."""
        from rich.text import Text

        cells = grid["rows"] * grid["columns"]
        result = Text()
        for position, text in enumerate(self.texts[:cells]):
            row, column = divmod(position, grid["columns"])
            if column:
                result.append("  " if column % grid["box_columns"] == 0 else " ")
            elif row:
                result.append("\n\n" if row % grid["box_rows"] == 0 else "\n")
            if position in self.masked:
                result.append(BLANK, style="dim")
            else:
                result.append(safe(text), style=self._style(position))
        return result

    def _style(self, position: int) -> str:
        probability = self.probability[position]
        if position in self.given or probability is None:
            return "dim"
        return f"{style(probability)} bold" if position in self.fresh else style(probability)

    def status(self) -> str:
        """One line of figures: how far it is."""
        known = self.total - len(self.masked)
        passes = counted(self.nfe, "forward pass", "forward passes")
        words = f"{known} of {counted(self.total, 'token')}  {passes}  {duration(self.seconds)}"
        return f"{words}  {self.reason}" if self.reason and self.reason != "finished" else words


def legend() -> "Text":
    """What the colours and lines mean."""
    from rich.text import Text

    result = Text()
    for band in BANDS:
        result.append(band.label, style=band.style)
        result.append("  ")
    result.append(MASK, style="dim")
    return result.append(" masked", style="dim")


def draw(lines: Iterable[dict[str, Any]], console: "Console", answer_only: bool = False) -> Canvas:
    """Follow a trajectory to its end; live on a terminal, silent elsewhere. Returns the final canvas."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    canvas = Canvas(answer_only)
    if not console.is_terminal:
        for line in lines:
            canvas.apply(line)
        return canvas
    with Live(console=console, refresh_per_second=20, vertical_overflow="crop") as live:
        for line in lines:
            canvas.apply(line)
            below = Text(canvas.status(), style="dim")
            live.update(Group(canvas.text(), Text(), below, legend()))
    return canvas
