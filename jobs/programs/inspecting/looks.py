"""Preview and statistics of a data spec, with the objective and the collator of the training."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from jobs.data.chat import render
from jobs.data.encode import Sequence, encode
from jobs.data.preview import KINDS, picture
from jobs.data.rows import Row
from jobs.data.statistics import statistics
from jobs.diffusion.objectives import build_objective
from jobs.programs.inspecting.source import reading, rows_of
from jobs.programs.training.corpus import in_whole_blocks, make_collator
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec
from jobs.specs.inspect import PreviewAsk, StatisticsAsk
from jobs.specs.objective import objective_for

ROWS_A_SEQUENCE = 64  # rows tokenized, at most, for one packed sequence


def preview(ask: PreviewAsk) -> dict[str, Any]:
    """Sequences as jobs.data.preview.picture tells them, with what the rows look like before.

    Raises: DataError, SpecError, ModelError where a training would not start either.
    """
    # 1. The same choices as a training makes.
    tokenizer, config = reading(ask.model)
    options = objective_for(ask.objective, config.objective, config.block_size, config.schedule)
    data = in_whole_blocks(ask.data, options)
    # 2. As many rows as the sequences take.
    good = (found.row for found in rows_of(data, pictures=False) if found.row is not None)
    rows = list(islice(good, ask.first, ask.first + ask.rows * (ROWS_A_SEQUENCE if data.packing else 1)))
    if not rows:
        raise DataError(f"there is no good row after the first {ask.first}.")
    if any(row.pictures for row in rows):
        raise DataError("rows with images are not previewed: how many tokens an image takes, the model says.")
    conversations = rows[0].kind == "messages"
    sequences = _sequences(rows, tokenizer, data, ask.rows)
    # 3. One batch, noised.
    objective = build_objective(options)
    collator = make_collator("messages" if conversations else "text", tokenizer, data, config, options)
    told = picture(
        objective,
        collator,
        sequences,
        tokenizer,
        config.mask_token_id,
        conversations=conversations,
        level=ask.level,
        seed=ask.seed,
        step=ask.step,
    )
    places = [row.place for row in rows[: len(sequences)]] if conversations or not data.packing else []
    return {
        **told,
        "objective": options.name,
        "kind": "messages" if conversations else "text",
        "places": places,
        "packed": not conversations and data.packing,
        "mask": str(tokenizer.convert_ids_to_tokens(config.mask_token_id)),
        "legend": KINDS,
    }


def _sequences(rows: list[Row], tokenizer: Any, data: DataSpec, count: int) -> list[Sequence]:
    return encode(rows, tokenizer, data).sequences[:count]


def figures(ask: StatisticsAsk, report: Callable[[int], None] = lambda rows: None) -> dict[str, Any]:
    """Statistics of all good rows, and how many were bad. Raises: DataError, SpecError, ModelError."""
    tokenizer, config = reading(ask.model)
    bad = 0

    def good():
        nonlocal bad
        for found in rows_of(ask.data, pictures=False):
            if found.row is None:
                bad += 1
            else:
                yield found.row

    told = statistics(good(), tokenizer, ask.data, config.mask_token_id, report)
    return {**told.data(), "bad_rows": bad}


def rendered(row: Row, tokenizer: Any) -> str:
    """A row as the model reads it, with its chat template. Raises: DataError."""
    if row.tokens is not None:
        return tokenizer.decode(list(row.tokens))
    return row.text if row.text is not None else render(row.conversation(), tokenizer, images=True)
