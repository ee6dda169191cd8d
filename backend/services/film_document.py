"""A trajectory as a file that people send each other: one JSON document, and how a foreign one is read.

    {"format": "dllm-studio/trajectory", "version": 1,
     "provenance": {"studio": version, "exported": seconds since 1970, "request": ID, "model": NAME},
     "lines": [the lines of jobs.protocol.trajectory: a start, its steps, an end]}

Models and pictures are named in it, not their folders: paths stay on the machine. Nothing that comes in is
believed: every value is checked before a line of it is kept, and what is not known is left out.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from jobs.protocol.errors import DataError
from jobs.protocol.trajectory import CLOSED, EDITED, REMASKED, REVEALED
from jobs.specs.diffusion_config import GridShape

FORMAT: Literal["dllm-studio/trajectory"] = "dllm-studio/trajectory"
VERSION = 1
MOST_BYTES = 8_000_000
"""What is taken in; as much as the guard lets through to a route."""
MODEL_NAME = r"^(run:)?\w[\w .:+@-]*(/\w[\w .:+@-]*)?$"
"""A listed name, never a folder: whoever goes on from an imported text must not load a model by its path."""

Name = Annotated[str, StringConstraints(max_length=200)]
Word = Annotated[str, StringConstraints(max_length=2000)]
Chance = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Size = Annotated[float, Field(ge=0)]
Event = Literal["revealed", "remasked", "edited", "closed"]
Candidates = Annotated[list[tuple[Word, Chance]], Field(max_length=100)]
Told = tuple[Count, Count, Word, Chance, Event, Candidates]
Delta = tuple[Count, Count, Word, Chance, Event, Candidates, Size] | Told
Setting = bool | int | float | str | None | list[int | float | str]

assert set(Event.__args__) == {REVEALED, REMASKED, EDITED, CLOSED}


class Part(BaseModel):
    """Of a document; a newer studio may have written more into it."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class Start(Part):
    """How it began."""

    type: Literal["start"]
    version: Literal[1]
    request: Name
    model: Annotated[Name, StringConstraints(pattern=MODEL_NAME)]
    family: Name | None = None
    sampler: dict[Name, Setting]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    prompt: str
    mask_id: Count
    length: Annotated[int, Field(ge=1)]
    prompt_length: Count
    completes: bool = False
    at_least: Count = 0
    pictures: list[Annotated[Name, StringConstraints(pattern=r"^[\w-]+\.\w+$")]] = []
    grid: GridShape | None = None
    ids: list[Count]
    texts: list[Word]
    given: list[Count]

    @model_validator(mode="after")
    def _one_size(self) -> "Start":
        if not len(self.ids) == len(self.texts) == self.length:
            raise ValueError("ids, texts and length tell of canvases of different sizes")
        if max([*self.given, self.prompt_length - 1, self.at_least - 1]) >= self.length:
            raise ValueError("a position lies outside the canvas")
        if self.grid and self.grid.rows * self.grid.columns != self.length:
            raise ValueError("the grid has another number of cells than the canvas")
        return self


class Step(Part):
    """What one step changed."""

    type: Literal["step"]
    step: Count
    nfe: Count
    seconds: Size
    block: Count
    deltas: list[Delta]
    masked: Count
    entropy: Size | None = None


class End(Part):
    """How it ended."""

    type: Literal["end"]
    reason: Literal["finished", "cancelled", "error"]
    nfe: Count
    seconds: Size
    text: str
    texts: list[Word]
    error: str | None = None


class Provenance(Part):
    """Where it was written, and who says so."""

    studio: Name = ""
    exported: Size = 0
    request: Name = ""
    model: Name = ""


class Document(Part):
    """The whole file."""

    format: Literal["dllm-studio/trajectory"] = FORMAT
    version: Literal[1] = 1
    provenance: Provenance
    lines: list[Annotated[Start | Step | End, Field(discriminator="type")]]

    @model_validator(mode="after")
    def _one_film(self) -> "Document":
        if len(self.lines) < 2:
            raise ValueError("a trajectory has a start and an end")
        first, *steps, last = self.lines
        if not isinstance(first, Start) or not isinstance(last, End):
            raise ValueError("a trajectory begins with its start and closes with its end")
        if len(last.texts) not in (0, first.length):
            raise ValueError("the texts at the end are of another canvas")
        before = -1
        for step in steps:
            if not isinstance(step, Step) or step.step <= before:
                raise ValueError("between start and end are steps, in their order")
            if any(delta[0] >= first.length for delta in step.deltas) or step.masked > first.length:
                raise ValueError(f"step {step.step} tells of positions outside the canvas")
            before = step.step
        return self


def document(lines: list[dict[str, Any]], provenance: dict[str, Any]) -> dict[str, Any]:
    """What is written into the file. `lines`: a whole trajectory, its model and pictures by name."""
    return {"format": FORMAT, "version": VERSION, "provenance": provenance, "lines": lines}


def parse(content: bytes) -> Document:
    """A document that somebody sent. Raises: DataError in one sentence for whatever is not as it must be."""
    if len(content) > MOST_BYTES:
        raise DataError(f"The file is larger than {MOST_BYTES // 1_000_000} MB; no trajectory is taken in.")
    try:
        return Document.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "".join(f"{part}." for part in first["loc"]).rstrip(".") or "the file"
        raise DataError(
            f"This is no trajectory of dLLM Studio (format {VERSION}): {place}: {first['msg']}. "
            "Take a .json file that was exported from a canvas."
        ) from None
