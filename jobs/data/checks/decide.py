"""What becomes of bad rows: stop at the first, leave them out, or put them aside in a file. Never in silence:
each is counted by kind, and the counts go into the result of the run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from jobs.data.checks.problems import Problem
from jobs.data.checks.scan import Found
from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError

OnBadRows = Literal["stop", "skip", "quarantine"]


class BadRows:
    """The bad rows of one reading, dealt with as decided. Use it as a context: it closes the file."""

    def __init__(self, decision: OnBadRows, aside: Path | None = None):
        """`aside`: where quarantined rows go, JSON Lines with place, kind, problem and row."""
        if decision == "quarantine" and aside is None:
            raise ValueError("quarantine needs a file")
        self.decision = decision
        self.aside = aside if decision == "quarantine" else None
        self.counts: dict[str, int] = {}
        self._file: IO[str] | None = None
        self._told: set[tuple[str, str]] = set()  # (source, place): some sources are read more than once

    def __enter__(self) -> "BadRows":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def good(self, found: Iterator[Found], source: str = "") -> Iterator[Found]:
        """The good ones of these rows. A bad row of the same source and place counts once.

        Raises: DataError at the first bad row where that was decided, and always where a file ends early.
        """
        for row in found:
            if row.problem is None:
                yield row
            else:
                self._deal_with(row.problem, source)

    def _deal_with(self, problem: Problem, source: str) -> None:
        if problem.ends_the_file:
            raise problem.error()  # how many rows are lost is not known, so no decision covers them
        if self.decision == "stop":
            raise DataError(
                f"{problem.text} To train without such rows set data.on_bad_rows to skip or quarantine.",
                problem.kind,
            )
        if (source, problem.place) in self._told:
            return
        self._told.add((source, problem.place))
        self.counts[problem.kind] = self.counts.get(problem.kind, 0) + 1
        if self.aside is not None:
            if self._file is None:
                self.aside.parent.mkdir(parents=True, exist_ok=True)
                self._file = open(self.aside, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - closed at the context's end
            self._file.write(json.dumps(problem.line(), ensure_ascii=False) + "\n")

    def sentence(self) -> str:
        """What was done, for the person; empty where nothing was."""
        if not self.counts:
            return ""
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))
        where = f"put into {self.aside.name}" if self.aside is not None else "left out"
        return f"{counted(sum(self.counts.values()), 'bad row was', 'bad rows were')} {where} ({told})."


class AsTheyCome(BadRows):
    """For who looks at data: bad rows are given on, in their place among the good ones."""

    def __init__(self) -> None:
        super().__init__("skip")

    def good(self, found: Iterator[Found], source: str = "") -> Iterator[Found]:
        """All of them."""
        return found
