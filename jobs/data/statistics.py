"""What rows are made of, in one pass and bounded memory: lengths, prompts, repeats, scripts, special
tokens."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from jobs.data.checks.repeats import Repeats
from jobs.data.checks.scan import texts
from jobs.data.encode import encode
from jobs.data.rows import Row
from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec

CHUNK = 256  # rows tokenized together
LONGEST = 131_072  # tokens; longer rows count as this long
BARS = 24  # of the histogram
PLACES = 3  # examples kept of each finding
SCRIPTS: dict[str, str] = {
    "Latin": "A-Za-z\u00aa-\u024f\u1e00-\u1eff",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": "\u0400-\u052f",
    "Armenian": "\u0530-\u058f",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff",
    "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Tamil": "\u0b80-\u0bff",
    "Thai": "\u0e00-\u0e7f",
    "Georgian": "\u10a0-\u10ff",
    "Kana": "\u3040-\u30ff",
    "Hangul": "\u1100-\u11ff\uac00-\ud7af",
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ffff",
}
"""Letters of each script, as a part of a regular expression (Unicode blocks)."""
_LETTERS = {name: re.compile(f"[{letters}]") for name, letters in SCRIPTS.items()}


@dataclass
class Statistics:
    """Figures of one source. Lengths are in tokens of the model's tokenizer, as the row is trained."""

    max_length: int
    """The length at which rows would be cut."""
    rows: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    characters: int = 0
    truncated: int = 0
    """Rows longer than max_length."""
    unusable: int = 0
    """Rows that the tokenizer or its chat template refuses."""
    empty_answers: int = 0
    """Rows whose answer, or text, is blank."""
    lengths: Counter = field(default_factory=Counter)
    scripts: Counter = field(default_factory=Counter)
    """Rows by the script of most of their letters."""
    special: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Special tokens that occur in the rows' own text: {token: {"rows", "places"}}."""
    mask_is_a_word: int = 0
    """Rows whose own text becomes the mask token when it is tokenized."""
    unknown: int = 0
    """Tokens that the tokenizer does not know."""
    problems: list[str] = field(default_factory=list)
    """The first sentences about unusable rows."""
    repeats: Repeats = field(default_factory=Repeats)

    def data(self) -> dict[str, Any]:
        """As JSON for the page."""
        rows = max(self.rows, 1)
        return {
            "rows": self.rows,
            "tokens": self.tokens,
            "characters": self.characters,
            "max_length": self.max_length,
            "prompt_share": round(self.prompt_tokens / max(self.tokens, 1), 4),
            "truncated": self.truncated,
            "truncated_share": round(self.truncated / rows, 4),
            "unusable": self.unusable,
            "unknown": self.unknown,
            "empty_answers": self.empty_answers,
            "duplicates": self.repeats.count,
            "duplicates_exact": self.repeats.exact,
            "lengths": {"bars": self.histogram(), **self.quantiles()},
            "scripts": dict(self.scripts.most_common()),
            "special": self.special,
            "mask_is_a_word": self.mask_is_a_word,
            "problems": self.problems,
            "warnings": self.warnings(),
        }

    def quantiles(self) -> dict[str, int]:
        """Shortest, middle, 90 %, 99 % and longest length."""
        ordered = sorted(self.lengths)
        if not ordered:
            return {}
        sums, total = [], 0
        for length in ordered:
            total += self.lengths[length]
            sums.append(total)

        def at(share: float) -> int:
            return ordered[bisect_left(sums, share * total)]

        return {
            "shortest": ordered[0],
            "p50": at(0.5),
            "p90": at(0.9),
            "p99": at(0.99),
            "longest": ordered[-1],
        }

    def histogram(self) -> list[list[int]]:
        """[from, to, rows] of bars of one width; `to` is the last length of a bar."""
        if not self.lengths:
            return []
        width = -(-(max(self.lengths) + 1) // BARS)
        counts = [0] * (-(-(max(self.lengths) + 1) // width))
        for length, count in self.lengths.items():
            counts[length // width] += count
        return [[n * width, (n + 1) * width - 1, count] for n, count in enumerate(counts)]

    def warnings(self) -> list[str]:
        """What a person should look at before training, a sentence each."""
        told = []
        if self.mask_is_a_word:
            holding = counted(self.mask_is_a_word, "row holds", "rows hold")
            told.append(
                f"{holding} the mask token as a word of its own: the model would take that for a mask. "
                "Choose another mask token when converting."
            )
        for token, found in self.special.items():
            told.append(
                f"The special token {token} stands in the text of {counted(found['rows'], 'row')} "
                f"({', '.join(found['places'])}); there it is read as the special token."
            )
        if self.truncated:
            share = self.truncated / max(self.rows, 1)
            told.append(
                f"Longer than {self.max_length} tokens: {counted(self.truncated, 'row')} ({share:.1%})."
            )
        if self.repeats.count:
            about = "" if self.repeats.exact else "about "
            repeated = counted(self.repeats.count, "row repeats", "rows repeat")
            told.append(f"{about}{repeated} an earlier one word for word.")
        if self.empty_answers:
            told.append(f"{counted(self.empty_answers, 'row has', 'rows have')} an empty answer or text.")
        if self.unknown:
            share = self.unknown / max(self.tokens, 1)
            told.append(f"Unknown to the tokenizer: {counted(self.unknown, 'token')} ({share:.1%}).")
        if self.unusable:
            told.append(f"{counted(self.unusable, 'row')} cannot be tokenized.")
        return told


def statistics(
    rows: Iterable[Row],
    tokenizer: Any,
    data: DataSpec,
    mask_id: int,
    report: Callable[[int], None] = lambda rows: None,
) -> Statistics:
    """Figures of all rows, as they would be trained with `data`. `report(rows done)` may raise to stop."""
    found = Statistics(data.max_length)
    whole = data.model_copy(update={"max_length": LONGEST, "packing": False})
    watched = _watched(tokenizer, mask_id)
    waiting = iter(rows)
    while chunk := list(islice(waiting, CHUNK)):
        for row in chunk:
            _text_of(row, found, watched)
        _mask_words(chunk, tokenizer, mask_id, found)
        _tokens_of(chunk, tokenizer, whole, found)
        report(found.rows)
    return found


def _text_of(row: Row, found: Statistics, watched: re.Pattern | None) -> None:
    """What is seen without a tokenizer's ids."""
    found.rows += 1
    said = texts(row)
    found.characters += sum(map(len, said))
    found.empty_answers += row.tokens is None and not said[-1].strip()
    found.repeats.add(row.hash())
    found.scripts[script(said)] += 1
    if watched is None:
        return
    for token in {token for text in said for token in watched.findall(text)}:
        entry = found.special.setdefault(token, {"rows": 0, "places": []})
        entry["rows"] += 1
        if len(entry["places"]) < PLACES:
            entry["places"].append(row.place)


def script(said: list[str]) -> str:
    """The script of most letters: a name of SCRIPTS, "other", or "none" where there are no letters."""
    if all(text.isascii() for text in said):
        return "Latin" if any(character.isalpha() for text in said for character in text) else "none"
    counts = Counter({n: sum(len(p.findall(text)) for text in said) for n, p in _LETTERS.items()})
    counts["other"] = sum(c.isalpha() for text in said for c in text) - sum(counts.values())
    name, most = counts.most_common(1)[0]
    return name if most > 0 else "none"


def _watched(tokenizer: Any, mask_id: int) -> re.Pattern | None:
    """Finds special tokens in a text; the mask token among them where it is one."""
    names = {str(name) for name in tokenizer.all_special_tokens if str(name).strip()}
    mask = tokenizer.convert_ids_to_tokens(mask_id)
    if mask is not None and mask_id in tokenizer.added_tokens_decoder:
        names.add(str(mask))
    if not names:
        return None
    return re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))


def _mask_words(rows: list[Row], tokenizer: Any, mask_id: int, found: Statistics) -> None:
    for row in rows:
        try:
            ids = tokenizer(texts(row), add_special_tokens=False)["input_ids"]
        except Exception:  # noqa: BLE001 - the tokenizers library has no narrower class; counted below
            continue
        found.mask_is_a_word += any(mask_id in one for one in ids)


def _tokens_of(rows: list[Row], tokenizer: Any, data: DataSpec, found: Statistics) -> None:
    """Lengths; where one row of a chunk is refused, each is tried alone."""
    try:
        encoded = encode(rows, tokenizer, data)
    except DataError as error:
        if len(rows) > 1:
            for row in rows:
                _tokens_of([row], tokenizer, data, found)
            return
        found.unusable += 1
        if len(found.problems) < PLACES:
            found.problems.append(str(error))
        return
    found.unknown += encoded.unknown
    for sequence in encoded.sequences:
        length = len(sequence.input_ids)
        found.tokens += length
        found.prompt_tokens += sequence.prompt_length - sum(end - start for start, end in sequence.earlier)
        found.lengths[min(length, LONGEST)] += 1
        found.truncated += length > found.max_length
