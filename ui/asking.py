"""From what a person typed in the playground to a request to the model server."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.services import pictures
from backend.services.checkpoints import ModelView
from backend.services.question import Question
from jobs.protocol.errors import StudioError
from ui.words import say

if TYPE_CHECKING:
    from backend.studio import Studio

COMPLETE, CHAT, INFILL, GRID = say("Complete"), say("Chat"), say("Infill"), say("Grid")
NO_MODEL = say("Choose a model first; the Convert tab makes one if there is none.")
Turns = list[dict[str, str]]  # role, content; of a question also its picture and the request that answers it


def modes(view: ModelView | None) -> list[str]:
    """What a model can be asked, the most telling first."""
    if view is None:
        return [COMPLETE]
    if view.task == "grid":
        return [GRID]
    return [CHAT, COMPLETE, INFILL] if view.chat else [COMPLETE, INFILL]


def suggestion(view: ModelView | None) -> str:
    """What to ask a model first: the words that its note says to try."""
    found = re.search(r'Try "([^"]+)"', view.note) if view else None
    return found[1] if found else ""


def ask(
    studio: "Studio", *, model: str | None, sampler: dict[str, Any], mode: str, talk: Turns, **said: Any
) -> tuple[str, Turns]:
    """Ask the model server; returns (request id, the talk with this question). `said`: as of `question`.

    Raises: StudioError in one sentence.
    """
    if not model:
        raise StudioError(say(NO_MODEL))
    asked, turns = question(studio, mode=mode, talk=talk, **said)
    handle = studio.sampling.generate(model, **dict(asked), sampler=sampler)
    if mode == CHAT:
        turns[-1]["request"] = handle.request
    return handle.request, turns


def question(
    studio: "Studio",
    *,
    mode: str,
    contents: dict[str, str | None],
    seed: float | None,
    talk: Turns,
    blanks: float | None = None,
    picture: str | None = None,
    forced: dict[str, Any] | None = None,
    again: bool = False,
) -> tuple[Question, Turns]:
    """(what is asked, the talk with it). `picture`: a file to show; `forced`: constraints, prefix and suffix
    of the answer; `again`: without a message, the last one is asked once more.

    Raises: StudioError in one sentence.
    """
    turns = talk
    if mode == CHAT:
        said = (contents["message"] or "").strip()
        if not said and not (again and talk):
            raise StudioError(say("Write a message first."))
        if said:
            shown = {"picture": pictures.keep(Path(picture), studio.sampling.pictures)} if picture else {}
            turns = [*heard(studio, talk), {"role": "user", "content": said, **shown}]
    given = {
        COMPLETE: {"prompt": contents["prompt"] or ""},
        CHAT: {"messages": [message(turn) for turn in turns]},
        INFILL: {"infill": contents["infill"] or "", "blanks": int(blanks or 8)},
        GRID: {"grid": "".join((contents["grid"] or "").split())},
    }[mode]
    if mode == INFILL and "____" not in given["infill"]:
        raise StudioError(say("There is no gap: type ____ (four underscores) where the model should write."))
    return Question(**given, **(forced or {}), seed=int(seed or 0)), turns


def message(turn: dict[str, str]) -> dict[str, Any]:
    """A turn as the model is told it."""
    if picture := turn.get("picture"):
        return pictures.message(turn["content"], [picture])
    return {"role": turn["role"], "content": turn["content"]}


def heard(studio: "Studio", talk: Turns) -> Turns:
    """The talk with the model's last answer, which went past the page's server."""
    turns = [dict(turn) for turn in talk]
    if turns and turns[-1]["role"] == "user":
        answer = studio.sampling.answer(turns[-1]["request"])
        if answer:
            turns.append({"role": "assistant", "content": answer})
        else:
            turns.pop()  # it was stopped or failed: as if it had not been asked
    return turns
