"""From the data spec to what the Trainer and the validation take."""

from collections.abc import Callable, Iterable
from collections.abc import Sequence as Sequences
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.data.chat import ensure_template
from jobs.data.collate import Collator
from jobs.data.encode import Encoded, Sequence, encode
from jobs.data.fingerprint import of_tokenizer
from jobs.data.images import PictureReader
from jobs.data.load import load_rows
from jobs.data.prepare import HELD_OUT as VALIDATION_ROWS
from jobs.data.prepared import PreparedSequences, is_prepared, validation_sequences
from jobs.data.rows import Row
from jobs.programs.process import Countdown, Process
from jobs.programs.training.ahead import is_ahead, prepared_ahead
from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError, SpecError
from jobs.specs.data import DataSpec
from jobs.specs.diffusion_config import DiffusionConfig


@dataclass(frozen=True)
class Corpus:
    """Sequences to train on, sequences held out, and how to make batches of either."""

    train: Sequences[Sequence]
    validation: list[Sequence]
    collator: Collator
    kind: str  # "messages" or "text"
    bad: dict[str, int] = field(default_factory=dict)  # bad rows that were left out, by kind

    @property
    def has_pictures(self) -> bool:
        if isinstance(self.train, PreparedSequences):
            return False
        return any(s.pictures for part in (self.train, self.validation) for s in part)


def load_corpus(
    process: Process,
    tokenizer: Any,
    config: DiffusionConfig,
    positions: int | None,
    check: Callable[[], None],
    reader: PictureReader | None = None,
) -> Corpus:
    """Read, split and encode the rows of `process.spec.data`.

    `positions` is the longest sequence the model can take (None: no limit); `check` raises to stop; `reader`
    is the model's way of reading pictures, None for models of text.

    Raises: DataError, SpecError, ModelError.
    """
    if process.spec.data.path is not None and is_prepared(Path(process.spec.data.path)):
        return _prepared(process, Path(process.spec.data.path), tokenizer, config, positions)
    objective = process.spec.objective
    data = for_objective(process.spec.data, objective)
    if data.max_length < process.spec.data.max_length:
        process.note(f"data.max_length is {data.max_length}: as many tokens as fit in whole blocks.")
    if reader is None and is_ahead(data):
        ensure_template(tokenizer, data.template)
        folder = prepared_ahead(process, data, tokenizer)
        check()
        return _prepared(process, folder, tokenizer, config, positions)

    def reading(done: int) -> None:
        check()
        if data.limit is not None:  # otherwise nobody knows how many there are
            process.progress(done, data.limit, None)

    process.phase("reading rows")
    found = load_rows(data, reading, process.run.bad_rows, pictures=reader is not None)
    process.note(found.note)
    if found.kind == "messages" and ensure_template(tokenizer, data.template):
        process.note(
            f"The tokenizer has no chat template. Conversations are written by the template "
            f"{data.template or 'plain'}, which is stored with the trained model."
        )
    train_rows, held_out = found.split(data.validation)
    process.phase("encoding rows")
    validation = _encode(process, _few(held_out), tokenizer, data, check, reader)
    train = _encode(process, train_rows, tokenizer, data, check, reader)
    process.progress(0, 0, None, force=True)  # rows are no steps: the bar of these is over
    for note in train.notes(data.max_length):
        process.note(note, "warning")
    collator = replace(make_collator(found.kind, tokenizer, data, config, objective), reader=reader)
    _fits((len(s.input_ids) for s in train.sequences + validation.sequences), collator, positions, data)
    tokens = sum(len(s.input_ids) for s in train.sequences)
    _describe(process, len(train.sequences), tokens, len(validation.sequences), len(held_out), data)
    refused = train.refused + validation.refused
    bad = {**found.bad, "template": refused} if refused else found.bad
    return Corpus(train.sequences, validation.sequences, collator, found.kind, bad)


def _prepared(
    process: Process, folder: Path, tokenizer: Any, config: DiffusionConfig, positions: int | None
) -> Corpus:
    """The corpus of a folder that a prepare job made; its settings are those that it was made with.

    Raises: DataError for another tokenizer, SpecError where its sequences do not fit the model or objective.
    """
    train, validation = PreparedSequences(folder), validation_sequences(folder)
    made = train.manifest
    data = check_prepared(train, tokenizer, process.spec.objective)
    process.spec = process.spec.model_copy(update={"data": data})
    process.note(f"Prepared data, max_length {data.max_length}. {made.note}")
    for note in made.notes:
        process.note(note, "warning")
    collator = make_collator(made.kind, tokenizer, data, config, process.spec.objective)
    _fits((made.longest, *(len(s.input_ids) for s in validation)), collator, positions, data)
    _describe(process, len(train), train.tokens, len(validation), made.held_out, data)
    return Corpus(train, validation, collator, made.kind, made.bad)


def check_prepared(train: PreparedSequences, tokenizer: Any, objective: Any) -> DataSpec:
    """The settings of prepared data, whose chat template the tokenizer is given if it has none.

    Raises: DataError for another tokenizer, SpecError where its sequences do not fit the objective.
    """
    folder, made = train.folder, train.manifest
    if of_tokenizer(tokenizer) != made.tokenizer:
        raise DataError(
            f"{folder} was prepared with another tokenizer; prepare the data again with that of this model."
        )
    if made.template is not None and tokenizer.chat_template not in (None, made.template):
        raise DataError(f"{folder} was written by another chat template than this model's; prepare it again.")
    tokenizer.chat_template = tokenizer.chat_template or made.template
    data = made.spec().model_copy(update={"path": str(folder), "builder": None, "options": {}})
    if for_objective(data, objective).max_length != data.max_length:
        raise SpecError(
            f"{folder} was prepared for {data.max_length} tokens, which are no whole blocks; "
            "prepare it for a multiple of objective.block_size."
        )
    return data


def for_objective(data: DataSpec, objective: Any) -> DataSpec:
    """The data spec with what it leaves to the objective: which answers are trained, and the longest sequence
    cut down to whole blocks.

    Raises: SpecError if not even one block fits, or texts are to be kept apart in blocks.
    """
    size = getattr(objective, "block_size", 1) if getattr(objective, "block_diffusion", True) else 1
    if size > data.max_length:
        raise SpecError(
            f"A block of {size} tokens does not fit into data.max_length, {data.max_length}. "
            "Raise data.max_length, or lower objective.block_size."
        )
    if data.separate_documents and data.packing and size > 1:
        raise SpecError(
            f"data.separate_documents: the blocks of {objective.name} are counted through a whole sequence. "
            "Set it to false, or choose an objective without blocks."
        )
    answers = data.answers or getattr(objective, "answers", "last")
    return data.model_copy(update={"max_length": data.max_length // size * size, "answers": answers})


def make_collator(
    kind: str, tokenizer: Any, data: DataSpec, config: DiffusionConfig, objective: Any
) -> Collator:
    """Answers, and texts that are one sequence each, are filled with end-of-text tokens that are trained, as
    far as the objective's `fill` says (objectives without one: to the longest row of the batch); everything
    else with padding that is not."""
    trained = data.append_eos and (kind == "messages" or not data.packing)
    fill_id = tokenizer.eos_token_id if trained else tokenizer.pad_token_id
    if fill_id is None:
        fill_id = tokenizer.eos_token_id or 0  # never seen by the model: masked out of the attention
    fill = getattr(objective, "fill", "batch") if trained else "ignore"
    size = data.max_length if fill == "length" else getattr(objective, "block_size", 1)
    separate = kind == "text" and data.packing and data.separate_documents
    return Collator(fill_id, fill, size, first_is_given=config.shifted_logits, separate=separate)


def _few(rows: list[Row]) -> list[Row]:
    """The VALIDATION_ROWS rows with the smallest hashes: the same ones in every run."""
    return sorted(rows, key=Row.hash)[:VALIDATION_ROWS]


def _encode(
    process: Process,
    rows: list[Row],
    tokenizer: Any,
    data: DataSpec,
    check: Callable[[], None],
    reader: PictureReader | None,
) -> Encoded:
    countdown = Countdown(process, len(rows))

    def report(done: int, total: int) -> None:
        check()
        countdown(done, total)

    return encode(rows, tokenizer, data, report, reader)


def _fits(lengths: Iterable[int], collator: Collator, positions: int | None, data: DataSpec) -> None:
    longest = max((collator.end(length) for length in lengths), default=0)
    if positions is not None and longest > positions:
        raise SpecError(
            f"The longest sequence has {longest} tokens, but the model has {positions} positions. "
            f"Set data.max_length (now {data.max_length}) to at most {positions}."
        )


def _describe(
    process: Process, train: int, tokens: int, validation: int, held_out: int, data: DataSpec
) -> None:
    text = f"Training on {counted(train, 'sequence')} with {counted(tokens, 'token')}"
    if validation:
        unused = (
            f" (the first {VALIDATION_ROWS} of {held_out} rows held out)"
            if held_out > VALIDATION_ROWS
            else ""
        )
        process.note(f"{text}; validation on {counted(validation, 'sequence')}{unused}.")
    elif data.validation > 0:
        process.note(
            f"{text}; there are too few different rows to hold any out, so no validation.", "warning"
        )
    else:
        process.note(f"{text}; no validation (data.validation is 0).")
