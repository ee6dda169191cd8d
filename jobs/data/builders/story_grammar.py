"""Tells stories from story_tables.py, and recognises them again with the same tables.

`parse` is the inverse of `generate`: it reads a text sentence by sentence, collects the facts it tells
(name, thing, place, weather ...) and accepts it only if every later sentence agrees with them. A story
whose hero changes name halfway does not parse.
"""

import random
import re
from functools import cache

from jobs.data.builders import story_tables as tables
from jobs.data.builders.story_tables import BEATS, BOYS, REQUESTS, WORDS

NAMES: list[str] = WORDS["name"]
THINGS: list[str] = WORDS["thing"]
PRONOUNS = {"She": ["She", "He"], "she": ["she", "he"], "her": ["her", "his"]}
"""The words that follow the name: of a girl, of a boy."""
_SLOT = re.compile(r"\{(\w+)\}")
_TOKEN = re.compile(r"\w+|[^\w\s]")


def generate(rng: random.Random, name: str | None = None, thing: str | None = None) -> str:
    """A new story, about this name and thing where they are given."""
    facts: dict[str, str] = {}
    if name is not None:
        _learn(facts, "name", name)
    if thing is not None:
        _learn(facts, "thing", thing)
    sentences = []
    for beat in BEATS:
        sentence = beat.sentences[facts.get(beat.by, "")]
        for slot in _SLOT.findall(sentence):
            if slot not in facts:
                _learn(facts, slot, rng.choice(WORDS[slot]))
        sentences.append(_SLOT.sub(lambda match: facts[match[1]], sentence))
    return " ".join(sentences)


def parse(text: str) -> dict[str, str] | None:
    """The facts that a story tells, or None for a text which the grammar cannot tell."""
    facts: dict[str, str] = {}
    rest = text
    for number, beat in enumerate(BEATS):
        if number:
            if not rest.startswith(" "):
                return None
            rest = rest[1:]
        match = _pattern(beat.sentences[facts.get(beat.by, "")]).match(rest)
        if match is None:
            return None
        for slot, word in match.groupdict().items():
            if slot not in facts:
                _learn(facts, slot, word)
            elif facts[slot] != word:
                return None
        rest = rest[match.end() :]
    return None if rest else facts


def parses(text: str) -> bool:
    """Whether the grammar can tell exactly this text."""
    return parse(text) is not None


def mentions(text: str, name: str, thing: str) -> bool:
    """Whether both words are in the text."""
    words = set(_TOKEN.findall(text))
    return name in words and thing in words


def instruction(rng: random.Random, name: str, thing: str) -> str:
    """A request for a story about this name and thing."""
    return rng.choice(REQUESTS).format(name=name, thing=thing)


def vocabulary() -> list[str]:
    """Every word and punctuation mark of stories and requests, sorted."""
    texts = [sentence for beat in BEATS for sentence in beat.sentences.values()]
    texts += [*REQUESTS, *tables.PLAIN_REQUESTS]
    found = {word for words in WORDS.values() for word in words} | {
        word for words in PRONOUNS.values() for word in words
    }
    for text in texts:
        found.update(_TOKEN.findall(_SLOT.sub(" ", text)))
    return sorted(found)


def _learn(facts: dict[str, str], slot: str, word: str) -> None:
    """Note a fact and all that follows from it."""
    facts[slot] = word
    if slot == "name":
        facts.update({slot: words[word in BOYS] for slot, words in PRONOUNS.items()})
    elif slot == "thing":
        facts["kind"] = next((kind for kind, things in tables.THING_KINDS.items() if word in things), "")


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """A sentence as a regular expression with one group a slot."""
    parts = _SLOT.split(sentence)  # text, slot, text, slot ... text
    pattern, seen = "", set()
    for i, part in enumerate(parts):
        if i % 2 == 0:
            pattern += re.escape(part)
        elif part in seen:
            pattern += f"(?P={part})"
        else:
            seen.add(part)
            words = WORDS.get(part) or PRONOUNS[part]
            pattern += f"(?P<{part}>{'|'.join(map(re.escape, words))})"
    return re.compile(pattern)
