"""How long rows are, in tokens, before anything is cut."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from jobs.data.chat import ensure_template
from jobs.data.encode import encode
from jobs.data.load import load_rows
from jobs.specs.data import DataSpec

LONGEST = 131_072  # tokens; no row is counted as longer
BARS = 24  # of the histogram


@dataclass(frozen=True)
class Lengths:
    """Rows by their number of tokens, prompt and end-of-text token included."""

    counts: Counter[int]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.counts.total()

    @property
    def tokens(self) -> int:
        """How many tokens they have together."""
        return sum(length * rows for length, rows in self.counts.items())

    @property
    def bars(self) -> list[tuple[int, int, int]]:
        """(shortest, longest, rows) of at most BARS stretches of one width."""
        width = max(self.counts, default=0) // BARS + 1
        found = Counter({length // width: 0 for length in self.counts})
        for length, rows in self.counts.items():
            found[length // width] += rows
        return [(i * width, (i + 1) * width - 1, found[i]) for i in range(min(found), max(found) + 1)]

    def at(self, share: float) -> int:
        """The length that such a share of the rows does not exceed."""
        seen = 0
        for length in sorted(self.counts):
            seen += self.counts[length]
            if seen >= share * self.rows:
                return length
        return 0

    def over(self, max_length: int) -> int:
        """Rows that would be cut, or left out, at `max_length` tokens."""
        return sum(rows for length, rows in self.counts.items() if length > max_length)


def measure(data: DataSpec, tokenizer: Any) -> Lengths:
    """The lengths of the rows of `data` as the tokenizer makes them.

    Raises: DataError for rows that cannot be read, ModelError for a tokenizer that does not suit them.
    """
    found = load_rows(data)
    if found.kind == "messages":
        ensure_template(tokenizer, data.template)
    whole = data.model_copy(update={"max_length": LONGEST, "packing": False})
    return Lengths(Counter(len(s.input_ids) for s in encode(found.rows, tokenizer, whole).sequences))
