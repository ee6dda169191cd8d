"""Definitions of English nouns from WordNet 3.0, as questions and answers.

The dictionary files are not ours and not in the repository: Debian's package `wordnet-base` brings them.
Their licence lets anyone use, copy, modify and distribute them for any purpose and without fee, as long
as the copyright notice and the disclaimer go along; NOTICE below says so and belongs into the card of
every data set and model made from these rows.
"""

import random
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from jobs.protocol.errors import DataError
from jobs.specs.base import Spec

NOTICE = (
    "Definitions from WordNet 3.0, Copyright 2006 by Princeton University. All rights reserved. "
    "Used under the WordNet 3.0 license, which comes without any warranty: "
    "https://wordnet.princeton.edu/license-and-commercial-use"
)


class Options(Spec):
    """Options of the wordnet builder."""

    path: str = "/usr/share/wordnet"
    """Folder with index.noun and data.noun."""
    limit: int | None = Field(None, ge=1)
    """Use at most this many nouns."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Order of the nouns."""
    shortest: int = Field(20, ge=1)
    """Leave out definitions with fewer characters."""
    longest: int = Field(160, ge=1)
    """Leave out definitions with more characters."""


def rows(options: Options) -> Iterator[dict]:
    """Every noun's first sense as `{"messages": [question, definition]}`.

    Raises: DataError where the dictionary is missing.
    """
    folder = Path(options.path)
    synsets = {offset: (definition, words) for offset, definition, words in _synsets(folder / "data.noun")}
    nouns = list(_first_senses(folder / "index.noun"))
    random.Random(options.seed).shuffle(nouns)
    given = 0
    for noun, offset in nouns:
        definition, words = synsets.get(offset, ("", []))
        if not options.shortest <= len(definition) <= options.longest:
            continue
        # The index is all lower case; the synset knows how the word is written.
        written = next((word for word in words if word.lower() == noun), noun).replace("_", " ")
        question = {"role": "user", "content": f'Define the noun "{written}".'}
        yield {"messages": [question, {"role": "assistant", "content": definition}]}
        given += 1
        if given == options.limit:
            return


def _lines(path: Path) -> Iterator[str]:
    """The lines of a dictionary file, without the licence that it begins with."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if not line.startswith("  "):
                    yield line
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: the wordnet builder reads the WordNet 3.0 files. "
            "Install them with `apt-get install wordnet-base`, or set options.path to their folder."
        ) from None


def _synsets(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """(offset, definition as a sentence, words) of every synset; example sentences are cut off.

    A line is: offset file type count(hex) word id word id ... pointers | gloss.
    """
    for line in _lines(path):
        head, bar, gloss = line.partition(" | ")
        if bar:
            fields = head.split()
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            definition = gloss.split('; "')[0].strip().rstrip(";.").strip()
            yield fields[0], definition[:1].upper() + definition[1:] + ".", words


def _first_senses(path: Path) -> Iterator[tuple[str, str]]:
    """(noun, offset of its most usual synset).

    A line is: lemma pos senses pointers ... tagged offset offset ...
    """
    for line in _lines(path):
        fields = line.split()
        senses = int(fields[2])
        yield fields[0], fields[-senses]
