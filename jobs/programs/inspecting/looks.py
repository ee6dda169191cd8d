"""Preview and statistics of a data spec, with the objective and the collator of the training."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from jobs.data.chat import render
from jobs.data.encode import Sequence, encode
from jobs.data.images import PictureReader
from jobs.data.load import look
from jobs.data.prepared import PreparedSequences, is_prepared, settings
from jobs.data.preview import KINDS, picture
from jobs.data.rows import Row
from jobs.data.statistics import statistics
from jobs.diffusion.objectives import build_objective
from jobs.programs.inspecting.reading import reading, sight
from jobs.programs.training.corpus import check_prepared, for_objective, make_collator
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
    tokenizer, config = reading(ask.model, settings(ask.data).template)
    options = objective_for(ask.objective, config.objective, config.block_size, config.schedule)
    # 2. As many rows as the sequences take.
    if ask.data.path is not None and is_prepared(Path(ask.data.path)):
        sequences, data, kind = _prepared(ask, tokenizer, options)
        places = []
    else:
        data = for_objective(ask.data, options)
        rows = _rows(ask, data)
        kind = rows[0].kind
        sequences = encode(rows, tokenizer, data, reader=_reader(ask, rows)).sequences[: ask.rows]
        places = [row.place for row in rows[: len(sequences)]]
    # 3. One batch, noised.
    collator = make_collator(kind, tokenizer, data, config, options)
    if any(sequence.pictures for sequence in sequences):
        collator = replace(collator, reader=sight(ask.model))
    told = picture(
        build_objective(options),
        collator,
        sequences,
        tokenizer,
        config.mask_token_id,
        conversations=kind == "messages",
        level=ask.level,
        seed=ask.seed,
        step=ask.step,
    )
    packed = kind == "text" and data.packing
    return {
        **told,
        "objective": options.name,
        "kind": kind,
        "places": [] if packed else places,
        "packed": packed,
        "mask": str(tokenizer.convert_ids_to_tokens(config.mask_token_id)),
        "legend": KINDS,
    }


def _prepared(ask: PreviewAsk, tokenizer: Any, options: Any) -> tuple[list[Sequence], DataSpec, str]:
    """(sequences, their settings, kind) of a folder that a prepare job made. Raises: DataError, SpecError."""
    found = PreparedSequences(Path(str(ask.data.path)))
    data = check_prepared(found, tokenizer, options)
    sequences = found[ask.first : ask.first + ask.rows]
    if not sequences:
        raise DataError(f"there is no sequence after the first {ask.first}; there are {len(found)}.")
    return sequences, data, found.manifest.kind


def _rows(ask: PreviewAsk, data: DataSpec) -> list[Row]:
    """Good rows to train on, enough for the sequences. Raises: DataError where there is none."""
    good = (found.row for found in look(data, pictures=False) if found.row is not None and not found.held_out)
    count = ask.rows * (ROWS_A_SEQUENCE if data.packing else 1)
    rows = list(islice(good, ask.first, ask.first + count))
    if not rows:
        raise DataError(f"there is no good row{f' after the first {ask.first}' if ask.first else ''}.")
    return rows


def _reader(ask: PreviewAsk, rows: list[Row]) -> PictureReader | None:
    return sight(ask.model) if any(row.pictures for row in rows) else None


def figures(ask: StatisticsAsk, report: Callable[[int], None] = lambda rows: None) -> dict[str, Any]:
    """Statistics of all good rows, and how many were bad. Raises: DataError, SpecError, ModelError."""
    tokenizer, config = reading(ask.model, settings(ask.data).template)
    bad = 0

    def good():
        nonlocal bad
        for found in look(ask.data, pictures=False):
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
