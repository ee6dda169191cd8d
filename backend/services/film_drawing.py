"""A trajectory drawn frame by frame, as the canvas of the page shows it in light colours, without a browser.

A cell's place is that of its widest text, so nothing moves while words come and go.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from PIL import Image, ImageDraw

from backend.services.film_fonts import Fonts
from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError
from jobs.protocol.trajectory import CLOSED, EDITED, REMASKED

# Of the light theme in ui/theme.css, by its names there.
COLOURS = {
    **{
        "surface": "#ffffff",
        "line": "#d8dce0",
        "line-strong": "#7d8790",
        "ink": "#171c21",
        "ink-3": "#5b656e",
    },
    **{"c1": "#eff6f9", "c2": "#dcebf1", "c3": "#c3dee8", "c4": "#a5cddc", "c5": "#84b9cd", "bar": "#0b5f7d"},
    **{"mask": "#e1e5e8", "mask-dash": "#78828b", "warn-soft": "#fdf0d8", "warn-line": "#b06a00"},
}
WIDTH, MARGIN, GAP = 800, 24, 8
HEIGHT, PAD, BAR = 32, 5, 3  # of a token
CELL = 40  # of a grid, both ways
SIZE, SMALL = 17, 13  # of letters
GUESS = 4  # letters of a cell that stays masked
MOST_HEIGHT = 4000
MOST_PIXELS = 100_000_000  # of all pictures of a film together

Box = tuple[int, int, int, int]


@dataclass
class State:
    """What stands in a cell."""

    text: str
    masked: bool
    event: str
    chance: float = 0.0
    new: bool = False


@dataclass
class Film:
    """A trajectory's cells over time. `lines`: a start, steps, an end."""

    lines: list[dict[str, Any]]
    start: dict[str, Any] = field(init=False)
    steps: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.start, *self.steps, self.end = self.lines
        self.mask = self.start["mask_id"]
        self.last = {delta[0]: n for n, line in enumerate(self.steps) for delta in line["deltas"]}

    def first(self) -> list[State]:
        """The cells before the first step."""
        pairs = zip(self.start["ids"], self.start["texts"], strict=True)
        return [State(_shown(text), token == self.mask, "given") for token, text in pairs]

    def changes(self, number: int) -> dict[int, State]:
        """Position -> what step `number` (from 0) put there; last states have the texts of the end."""
        found = {}
        for position, token, text, chance, event, *_ in self.steps[number]["deltas"]:
            final = self.end["texts"][position] if self.end["texts"] and self.last[position] == number else ""
            found[position] = State(_shown(final or text), token == self.mask, event, chance, new=True)
        return found

    def texts(self) -> list[set[str]]:
        """Every text that each cell ever shows."""
        texts = [set() if state.masked else {state.text} for state in self.first()]
        for number in range(len(self.steps)):
            for position, state in self.changes(number).items():
                texts[position] |= set() if state.masked else {state.text}
        return texts

    def breaks(self) -> list[bool]:
        """After which cells a new line begins."""
        found = ["\n" in text for text in self.start["texts"]]
        for line in self.steps:
            for position, _, text, *_ in line["deltas"]:
                found[position] = "\n" in text
        return found


def frames(lines: list[dict[str, Any]], most: int) -> Iterator[Image.Image]:
    """The pictures of a trajectory [RGB], its first canvas and then its steps; `most` at most, so that some
    steps come together. It is one picture that changes: copy what is to be kept.

    Raises: DataError for a canvas that is too long to be a picture.
    """
    film = Film(lines)
    drawing = _Drawing(film)
    states = film.first()
    most = min(most, MOST_PIXELS // (drawing.image.width * drawing.image.height))
    for position, state in enumerate(states):
        drawing.cell(position, state)
    drawing.caption(0)
    yield drawing.image
    each = max(1, -(-len(film.steps) // max(1, most - 1)))
    young: set[int] = set()
    for number in range(len(film.steps)):
        changes = film.changes(number)
        young |= changes.keys()
        for position, state in changes.items():
            states[position] = state
        if (number + 1) % each and number + 1 < len(film.steps):
            continue
        for position in young:
            drawing.cell(position, states[position])
        drawing.caption(number + 1)
        yield drawing.image
        for position in young:
            states[position].new = False
            drawing.cell(position, states[position])
        young.clear()


class _Drawing:
    """Cells on a picture."""

    def __init__(self, film: Film):
        self.film = film
        self.fonts, self.small = Fonts(SIZE), Fonts(SMALL)
        self.grid = film.start.get("grid")
        self.boxes = self._grid() if self.grid else self._lines()
        bottom = max((box[3] for box in self.boxes), default=MARGIN) + GAP
        if bottom > MOST_HEIGHT:
            raise DataError("This canvas is too long for a picture; export it as HTML.")
        self.below = bottom
        self.image = Image.new(
            "RGB", (WIDTH, (bottom + MARGIN + 2 * SMALL + 16) // 2 * 2), COLOURS["surface"]
        )
        self.draw = ImageDraw.Draw(self.image)

    def _lines(self) -> list[Box]:
        """Places of tokens, wrapped as words are. A token that goes on with a word stands close to it."""
        boxes: list[Box] = []
        breaks = self.film.breaks()
        left, top = MARGIN, MARGIN
        for position, texts in enumerate(self.film.texts()):
            width = max((self._width(text) for text in texts or {"x" * GUESS}), default=0) + 2 * PAD
            width = min(max(16, width), WIDTH - 2 * MARGIN)
            if left > MARGIN and (left + width > WIDTH - MARGIN or breaks[position - 1]):
                left, top = MARGIN, top + HEIGHT + GAP
            boxes.append((left, top, left + width, top + HEIGHT))
            left += width + GAP // 2
        return boxes

    def _grid(self) -> list[Box]:
        columns = self.grid["columns"] if self.grid else 1
        places = [divmod(position, columns) for position in range(len(self.film.start["ids"]))]
        return [
            (MARGIN + c * CELL, MARGIN + r * CELL, MARGIN + (c + 1) * CELL - 2, MARGIN + (r + 1) * CELL - 2)
            for r, c in places
        ]

    def _width(self, text: str) -> int:
        return round(self.fonts.of(text).getlength(text))

    def cell(self, position: int, state: State) -> None:
        """Draw what stands in a cell over what stood there."""
        left, top, right, bottom = box = self.boxes[position]
        self.draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=COLOURS["surface"])
        fill, outline = _look(state)
        width = 2 if state.new or state.event in (EDITED, REMASKED) else 1
        self.draw.rounded_rectangle(
            box, 3, fill=COLOURS[fill], outline=outline and COLOURS[outline], width=width if outline else 0
        )
        if state.masked:
            middle, across = (top + bottom) // 2, (left + right) // 2
            self.draw.line((across - 4, middle, across + 4, middle), fill=COLOURS["mask-dash"], width=2)
            return
        text, font = state.text, self.fonts.of(state.text)
        while text and font.getlength(text) > right - left - 2:
            text = text[:-1]
        middle = (left + right - font.getlength(text)) / 2, (top + bottom) / 2
        self.draw.text(middle, text, font=font, fill=COLOURS["ink"], anchor=_anchor(font))
        if state.event not in ("given", CLOSED):
            reach = left + round(state.chance * (right - left))
            self.draw.rectangle((left, bottom - BAR + 1, max(left, reach), bottom), fill=COLOURS["bar"])

    def caption(self, frame: int) -> None:
        """Who writes, how, and how far it is."""
        start, step = self.film.start, self.film.steps[frame - 1] if frame else None
        passes = counted(step["nfe"] if step else 0, "forward pass", "forward passes")
        told = f"step {frame} of {len(self.film.steps)}, {passes}"
        who = f"{PurePath(start['model']).name}, {start['sampler'].get('name', '')}, seed {start['seed']}"
        if lost := len(self.fonts.missing):
            who += f"; {counted(lost, 'letter is', 'letters are')} in no font of the machine that drew this"
        self.draw.rectangle((0, self.below, WIDTH, self.image.height), fill=COLOURS["surface"])
        for line, text in enumerate((told, who)):
            font, top = self.small.of(text), self.below + 8 + line * (SMALL + 6)
            self.draw.text((MARGIN, top), text, font=font, fill=COLOURS["ink-3"])


def _anchor(font: Any) -> str | None:
    return "lm" if hasattr(font, "getmask2") else None


def _look(state: State) -> tuple[str, str | None]:
    """(fill, outline) by their names in COLOURS."""
    if state.masked:
        return "mask", "warn-line" if state.event == REMASKED else None
    if state.event == EDITED:
        return "warn-soft", "warn-line"
    if state.event in ("given", CLOSED):
        return "surface", "line"
    return f"c{max(1, min(5, 1 + int((state.chance - 0.2) // 0.16)))}", "bar" if state.new else None


def _shown(text: str) -> str:
    """A token's text in its cell: without the space before it, an end of line as a sign."""
    if re.fullmatch(r"\n+", text):
        return "\u21b5"
    return re.sub(r"\s+", " ", text.strip())
