"""Pages of rows: as they stand, as text, as tokens, and what is wrong with the bad ones."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from jobs.data.chat import template_name
from jobs.data.checks.problems import shown
from jobs.data.checks.scan import Found
from jobs.data.encode import tokenize
from jobs.data.load import look
from jobs.data.prepared import settings
from jobs.diffusion.text import token_texts
from jobs.programs.inspecting.looks import rendered
from jobs.programs.inspecting.reading import reading
from jobs.protocol.errors import DataError
from jobs.specs.inspect import RowsAsk

MOST_TOKENS = 2000  # shown of a row


def page(ask: RowsAsk) -> dict[str, Any]:
    """{"rows": [{number, place, held_out, raw, text, tokens, problem}], "more": whether others follow,
    "template": the chat template of conversations, "" for the model's own, None where none is used}.

    Raises: DataError, SpecError, ModelError.
    """
    tokenizer = reading(ask.model, settings(ask.data).template)[0] if ask.model is not None else None
    found = list(islice(_wanted(ask), ask.first, ask.first + ask.rows + 1))
    rows = [_told(number, row, tokenizer) for number, row in found[: ask.rows]]
    talks = tokenizer is not None and any(row.row.messages for _, row in found if row.row is not None)
    template = template_name(tokenizer) if talks else None
    return {"rows": rows, "more": len(found) > ask.rows, "template": template}


def _wanted(ask: RowsAsk) -> Iterator[tuple[int, Found]]:
    letters = ask.search.casefold()
    for number, found in enumerate(look(ask.data, pictures=ask.bad)):
        if ask.bad and found.problem is None:
            continue
        if letters and letters not in _written(found.raw).casefold():
            continue
        yield number, found


def _written(raw: Any) -> str:
    raw = shown(raw) if isinstance(raw, bytes) else raw
    return raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)


def _told(number: int, found: Found, tokenizer: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "number": number,
        "place": found.place,
        "held_out": found.held_out,
        "raw": shown(found.raw),
        "problem": found.problem.text if found.problem is not None else "",
        "text": None,
        "tokens": None,
        "count": None,
    }
    if found.row is None or tokenizer is None:
        return told
    try:
        text = rendered(found.row, tokenizer)
        ids = list(found.row.tokens or tokenize([text], tokenizer, [found.row])[0])
    except DataError as error:
        return {**told, "problem": str(error)}
    return {**told, "text": text, "tokens": token_texts(tokenizer, ids[:MOST_TOKENS]), "count": len(ids)}
