"""From rows to token sequences.

messages  prompt + answer; the prompt is never masked, but for earlier answers where all are trained. The
          end-of-text token closes the answer.
text      packed: all texts joined, each closed with the end-of-text token, cut into full sequences;
          with whole documents as many texts as fit, cut only where one alone is longer than a sequence.
          not packed: one text, one sequence.
tokens    the same, with the ids that a row brings.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.data import chat
from jobs.data.images import PictureReader
from jobs.data.rows import Row
from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError, ModelError
from jobs.specs.data import DataSpec

CHUNK = 256  # rows tokenized between two calls of `report`


@dataclass(frozen=True)
class Sequence:
    """Token ids, of which the first `prompt_length` are given and never masked, but for `earlier`."""

    input_ids: list[int]
    prompt_length: int = 0
    earlier: tuple[tuple[int, int], ...] = ()
    """(start, end) of answers in the prompt that are trained too (DataSpec.answers)."""
    pictures: tuple[Path, ...] = ()
    """Files of the images in the prompt, in order."""
    documents: tuple[int, ...] = ()
    """Where the texts of a packed sequence begin, after the first (DataSpec.separate_documents)."""


@dataclass
class Encoded:
    """All sequences of one set of rows, and what had to be cut or left out."""

    sequences: list[Sequence] = field(default_factory=list)
    rows: int = 0
    truncated: int = 0  # rows whose end was cut off at max_length
    skipped: int = 0  # conversations whose prompt alone fills max_length
    refused: int = 0  # conversations that the chat template refuses (unless data.on_bad_rows is stop)
    unknown: int = 0  # tokens that the tokenizer does not know

    def notes(self, max_length: int) -> list[str]:
        """Sentences for the person who started the job."""
        found, rows = [], counted(self.rows, "row")
        if self.truncated:
            found.append(f"Cut, being longer than {max_length} tokens: {self.truncated} of {rows}.")
        if self.skipped:
            found.append(f"Left out, for the prompt takes {max_length} tokens: {self.skipped} of {rows}.")
        if self.refused:
            found.append(f"Left out, for the model's chat template refuses it: {self.refused} of {rows}.")
        if self.unknown:
            found.append(f"{counted(self.unknown, 'token is', 'tokens are')} unknown to the tokenizer.")
        return found


def encode(
    rows: list[Row],
    tokenizer: Any,
    data: DataSpec,
    report: Callable[[int, int], None] = lambda done, total: None,
    reader: PictureReader | None = None,
) -> Encoded:
    """Every row as one sequence, or packed texts as full sequences of `data.max_length` tokens.

    `report(rows done, rows in all)` is called every CHUNK rows and may raise to stop. `reader` is the model's
    way of reading pictures; None for models of text.

    Raises: DataError where nothing is left to train on; ModelError where `data.append_eos` asks for an
        end-of-text token and the tokenizer has none.
    """
    encoded = Encoded(rows=len(rows))
    kind = rows[0].kind if rows else "text"
    sequences = arranged(_all(rows, tokenizer, data, encoded, report, reader), kind, data)
    encoded.sequences = [s for s in sequences if s.input_ids]
    if rows and not encoded.sequences:
        raise nothing_left(rows[0].place, data, encoded)
    return encoded


def nothing_left(place: str, data: DataSpec, encoded: Encoded) -> DataError:
    """The error for rows of which no sequence is left."""
    if encoded.skipped:
        reason = f"no row fits into {data.max_length} tokens; raise data.max_length."
    elif encoded.refused:
        reason = "the model's chat template refuses every row; set another data.template or data.answers."
    else:
        reason = "the tokenizer makes no tokens of these rows."
    return DataError(f"{place}: {reason}")


def _all(
    rows: list[Row],
    tokenizer: Any,
    data: DataSpec,
    encoded: Encoded,
    report: Callable[[int, int], None],
    reader: PictureReader | None,
) -> Iterator[Sequence]:
    for start in range(0, len(rows), CHUNK):
        report(start, len(rows))
        yield from encode_rows(rows[start : start + CHUNK], tokenizer, data, encoded, reader)
    report(len(rows), len(rows))


def encode_rows(
    rows: list[Row], tokenizer: Any, data: DataSpec, encoded: Encoded, reader: PictureReader | None = None
) -> Iterator[Sequence]:
    """Each row's sequence, in order, counted in `encoded`. Conversations whose prompt alone is too long are
    left out; texts that will be packed are not cut yet. Raises: DataError, ModelError."""
    eos = end_of_text(tokenizer) if data.append_eos else None
    if rows and rows[0].kind == "messages":
        yield from _conversations(rows, tokenizer, data, eos, encoded, reader)
        return
    for ids in _texts(rows, tokenizer, eos, encoded):
        if data.packing:
            yield Sequence(ids)
            continue
        encoded.truncated += len(ids) > data.max_length
        yield Sequence(ids[: data.max_length])


def arranged(sequences: Iterator[Sequence], kind: str, data: DataSpec) -> Iterator[Sequence]:
    """Texts packed, as the spec says; conversations as they are. kind: see Row.kind."""
    if kind == "messages" or not data.packing:
        return sequences
    texts = (s.input_ids for s in sequences)
    packed = (_whole if data.whole_documents else _packed)(texts, data.max_length)
    return packed if data.separate_documents else (replace(s, documents=()) for s in packed)


def end_of_text(tokenizer: Any) -> int:
    """The id that ends a text and fills up answers. Raises: ModelError."""
    if tokenizer.eos_token_id is None:
        raise ModelError(
            "The tokenizer has no end-of-text token; set data.append_eos to false, or add one to it."
        )
    return tokenizer.eos_token_id


def _conversations(
    rows: list[Row],
    tokenizer: Any,
    data: DataSpec,
    eos: int | None,
    encoded: Encoded,
    reader: PictureReader | None,
) -> Iterator[Sequence]:
    for row in rows if reader is None else ():
        if row.pictures:
            raise DataError(f"{row.place}: this row has images, but the model reads text only.", "image")
    most = data.max_length
    for row, parts in _token_pieces(_accepted(rows, tokenizer, data, encoded), tokenizer):
        prompt, earlier = _joined(parts[:-1])
        answer = parts[-1][0]
        encoded.unknown += _count_unknown(prompt + answer, tokenizer)
        longer, pictures = _with_pictures(row, prompt, answer, reader)
        if reader is not None and earlier:
            earlier = [tuple(_moved(at, prompt, longer, reader.image_token_id) for at in e) for e in earlier]
        earlier = tuple((start, min(end, most)) for start, end in earlier if start < most)
        if len(longer) >= most and not earlier:
            encoded.skipped += 1
            continue
        if eos is not None and eos not in answer[-2:]:  # a template may end in EOS and a line break
            answer = [*answer, eos]
        ids = longer + answer
        encoded.truncated += len(ids) > most
        yield Sequence(ids[:most], min(len(longer), most), earlier, pictures)


def _joined(parts: list[tuple[list[int], bool]]) -> tuple[list[int], list[tuple[int, int]]]:
    """(all ids, where those of the trained parts stand)."""
    ids: list[int] = []
    spans = []
    for part, trained in parts:
        if trained:
            spans.append((len(ids), len(ids) + len(part)))
        ids += part
    return ids, spans


def _moved(at: int, before: list[int], after: list[int], image: int) -> int:
    """Where a place of `before`, behind a token of text, is once image tokens are repeated."""
    texts = sum(token != image for token in before[:at])
    places = [place for place, token in enumerate(after) if token != image]
    return places[texts - 1] + 1 if texts else 0


def _accepted(
    rows: list[Row], tokenizer: Any, data: DataSpec, encoded: Encoded
) -> Iterator[tuple[Row, list[chat.Piece]]]:
    """Each conversation with its pieces; none for a row of tokens. Those that the chat template refuses are
    left out and counted, or stop the job: `data.on_bad_rows` decides. Raises: DataError."""
    for row in rows:
        if row.tokens is not None:
            yield row, []
            continue
        try:
            yield row, chat.pieces(row.messages, tokenizer, data.answers or "last")
        except DataError as error:
            if error.kind != "template" or data.on_bad_rows == "stop":
                raise DataError(f"{row.place}: {error}", error.kind) from None
            encoded.refused += 1


def _token_pieces(
    written: Iterable[tuple[Row, list[chat.Piece]]], tokenizer: Any
) -> Iterator[tuple[Row, list[tuple[list[int], bool]]]]:
    """The pieces of each row in tokens: (ids, whether they are trained)."""
    written = list(written)
    flat = [(row, text) for row, pieces in written for text, _ in pieces]
    made = iter(tokenize([text for _, text in flat], tokenizer, [row for row, _ in flat]))
    for row, pieces in written:
        if row.tokens is None:
            yield row, [(next(made), trained) for _, trained in pieces]
        else:
            ids = _own_tokens(row, tokenizer)
            yield row, [(ids[: row.prompt_length], False), (ids[row.prompt_length :], True)]


def _own_tokens(row: Row, tokenizer: Any) -> list[int]:
    """The ids that a row brings. Raises: DataError where the tokenizer has fewer."""
    ids = list(row.tokens or ())
    if max(ids, default=0) >= len(tokenizer):
        raise DataError(
            f"{row.place}: the token id {max(ids)} is none of the tokenizer's {len(tokenizer)}; "
            "these rows were made with another one."
        )
    return ids


def _with_pictures(
    row: Row, prompt: list[int], answer: list[int], reader: PictureReader | None
) -> tuple[list[int], tuple[Path, ...]]:
    """The prompt with room for its pictures, and their files. Raises: DataError."""
    if reader is None:
        return prompt, ()
    if reader.image_token_id in answer:
        raise DataError(f"{row.place}: the answer holds the model's image token, which it cannot write.")
    return reader.expand(prompt, row.pictures, row.folder, row.place)


def _texts(rows: list[Row], tokenizer: Any, eos: int | None, encoded: Encoded) -> Iterator[list[int]]:
    written = [row for row in rows if row.tokens is None]
    made = iter(tokenize([row.text or "" for row in written], tokenizer, written))
    for row in rows:
        ids = next(made) if row.tokens is None else _own_tokens(row, tokenizer)
        encoded.unknown += _count_unknown(ids, tokenizer)
        closed = eos is None or (row.tokens is not None and ids[-1] == eos)
        yield ids if closed else [*ids, eos]


def tokenize(texts: list[str], tokenizer: Any, rows: list[Row] | None = None) -> list[list[int]]:
    """Token ids of each text, without the special tokens that a tokenizer adds by itself.

    `rows` are where the texts came from, for the error message.
    Raises: DataError where the tokenizer cannot spell a text.
    """
    if not texts:
        return []
    try:
        return tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    except Exception:  # the tokenizers library raises no narrower class
        number = next((n for n, text in enumerate(texts) if _unspeakable(text, tokenizer)), None)
        if number is None:
            raise
        letter = next((c for c in texts[number] if _unspeakable(c, tokenizer)), texts[number])
        where = f"{rows[number].place}: " if rows else ""
        raise DataError(f"{where}the tokenizer has no token for {letter!r}.") from None


def _unspeakable(text: str, tokenizer: Any) -> bool:
    try:
        tokenizer(text, add_special_tokens=False)
    except Exception:  # noqa: BLE001 - as above
        return True
    return False


def _count_unknown(ids: list[int], tokenizer: Any) -> int:
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown in (tokenizer.eos_token_id, tokenizer.pad_token_id):
        return 0
    return ids.count(unknown)


def _packed(texts: Iterator[list[int]], length: int) -> Iterator[Sequence]:
    """Full sequences; the tail that fills none is left out unless it is all there is."""
    held: list[int] = []
    begins: list[int] = []  # of texts in what is held
    made = 0
    for ids in texts:
        begins.append(len(held))
        held += ids
        whole = len(held) - len(held) % length
        for start in range(0, whole, length):
            made += 1
            inside = tuple(at - start for at in begins if start < at < start + length)
            yield Sequence(held[start : start + length], documents=inside)
        if whole:
            held, begins = held[whole:], [at - whole for at in begins if at >= whole]
    if held and not made:
        yield Sequence(held, documents=tuple(at for at in begins if at))


def _whole(texts: Iterator[list[int]], length: int) -> Iterator[Sequence]:
    """As many whole texts as fit, one after the other; a text that is longer than a sequence is cut."""
    held: list[int] = []
    begins: list[int] = []
    for ids in texts:
        for start in range(0, len(ids), length):
            piece = ids[start : start + length]
            if len(held) + len(piece) > length:
                yield Sequence(held, documents=tuple(begins[1:]))
                held, begins = [], []
            begins.append(len(held))
            held = held + piece
    if held:
        yield Sequence(held, documents=tuple(begins[1:]))
