"""GSM8K as conversations (Cobbe et al. 2021, arXiv 2110.14168), from its own files.

The answers hold marks for a calculator, `<<48/2=24>>`, which are left out: nothing here calculates while it
writes. Rows without them: the builder `arithmetic`, which is made here.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from jobs.data.files import read_file
from jobs.protocol.errors import DataError
from jobs.specs.base import Spec

NOTICE = "GSM8K, Copyright OpenAI, under the MIT licence."
MARK = re.compile(r"<<[^<>]*>>")


class Options(Spec):
    """Options of the gsm8k builder."""

    path: str = "train.jsonl"
    """File with question and answer: train.jsonl of openai/grade-school-math, or Parquet of the Hub."""
    limit: int | None = Field(None, ge=1)
    """Use at most this many problems."""
    marks: bool = False
    """Keep the marks for a calculator."""


def rows(options: Options) -> Iterator[dict]:
    """Problems as `{"messages": [question, worked answer]}`. Raises: DataError naming file and line."""
    for number, (place, row) in enumerate(read_file(Path(options.path)), 1):
        question, answer = row.get("question"), row.get("answer")
        if not isinstance(question, str) or not isinstance(answer, str):
            raise DataError(f"{place}: a problem of GSM8K has the texts 'question' and 'answer'.")
        text = answer if options.marks else MARK.sub("", answer)
        yield {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": text}]}
        if number == options.limit:
            return
