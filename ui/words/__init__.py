"""The words of the page in other languages. The English text in the code is the key.

`say("Start training")` marks a text of the page. Where the page is built it stays English: words.js puts the
reader's language into it before it is drawn. In an event it comes in the language of whoever asked. The
scripts have a `say()` of the same meaning. What is counted names both forms, `say("{n} {n:row|rows}", n=3)`;
a language with one form for all numbers leaves that part out.

A language is a folder here: `interface.json` has what the code says, `settings.json` the help of the specs'
settings, `sentences.json` what the server writes of jobs and samplers: English wherever it is kept and sent,
and `told()` where it is shown. tests/unit/ui/test_words.py and test_told.py find what is missing or too much.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from gradio.context import LocalContext

ENGLISH = "en"
LANGUAGES = ("zh-CN",)
"""What there is besides English."""
SLOT = re.compile(r"\{(\w+)(?::([^|{}]*)\|([^|{}]*))?\}")
"""{n}, a value; {n:row|rows}, the first word where n is one, else the second."""
SENTENCES = "sentences.json"
LONGEST = 2000
"""Characters of a sentence that is told. A template has several places, and to try all that may stand in them
takes seconds in a long line of a log. words.js keeps to it too."""
BETWEEN_SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z])")
COOKIE = "studio_language"
"""A choice made in the frame bar; without one, the browser's languages decide."""


def say(text: str, /, **values: Any) -> str:
    """The text in the reader's language, with its {values}. What a catalogue lacks stays English."""
    request = LocalContext.request.get(None)
    language = language_of(request.headers) if request is not None else ENGLISH
    found = catalogue(language).get(text, text)
    return SLOT.sub(lambda slot: _filled(slot, values), found) if values else found


def told(text: str) -> str:
    """What the server wrote, in the reader's language, sentence by sentence; the unknown stays English."""
    request = LocalContext.request.get(None)
    language = language_of(request.headers) if request is not None else ENGLISH
    return " ".join(_told(language, each) for each in BETWEEN_SENTENCES.split(text)).replace("。 ", "。")


def _told(language: str, text: str) -> str:
    if len(text) > LONGEST:
        return text
    for pattern, template in _templates(language):
        if match := pattern.fullmatch(text):
            values = {name: _told(language, value) for name, value in match.groupdict().items()}
            return catalogue(language)[template].format(**values)
    return catalogue(language).get(text, text)


@cache
def _templates(language: str) -> list[tuple[re.Pattern[str], str]]:
    """What has {places} of sentences.json, as patterns."""
    return [
        (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(text)), re.DOTALL), text)
        for text in templates(language)
    ]


def templates(language: str) -> list[str]:
    """The sentences with {places}, those of most words first: several may fit."""
    held = (
        json.loads((Path(__file__).parent / language / SENTENCES).read_text("utf-8"))
        if language != ENGLISH
        else {}
    )
    return sorted((text for text in held if SLOT.search(text)), key=lambda text: -len(SLOT.sub("", text)))


def _filled(slot: re.Match[str], values: Mapping[str, Any]) -> str:
    name, one, many = slot.groups()
    if name not in values:
        return slot[0]
    if one is None:
        return str(values[name])
    return one if str(values[name]) == "1" else many


def language_of(headers: Mapping[str, str]) -> str:
    """The language that a request asks for: by its cookie, else by the browser's languages in their order."""
    known = {tag.partition("-")[0]: tag for tag in (ENGLISH, *LANGUAGES)}
    chosen = SimpleCookie(headers.get("cookie") or "").get(COOKIE)
    if chosen is not None and chosen.value in known.values():
        return chosen.value
    for accepted in (headers.get("accept-language") or "").split(","):
        language = accepted.partition(";")[0].strip().partition("-")[0].lower()
        if language in known:
            return known[language]
    return ENGLISH


@cache
def catalogue(language: str) -> dict[str, str]:
    """English text -> the language's; empty for English."""
    if language == ENGLISH:
        return {}
    files = sorted((Path(__file__).parent / language).glob("*.json"))
    return {key: text for file in files for key, text in json.loads(file.read_text("utf-8")).items()}


@cache
def script(language: str) -> str:
    """The catalogue as a script that stands before words.js."""
    words, patterns = (
        json.dumps(found, ensure_ascii=False) for found in (catalogue(language), templates(language))
    )
    return f"window.studioWords = {words};\nwindow.studioTemplates = {patterns};"
