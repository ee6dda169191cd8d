"""Every text of the page is in every catalogue, and no catalogue has more."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.specs.builders import BUILDERS
from jobs.specs.job import ConvertSpec, TrainSpec
from jobs.specs.samplers import SAMPLERS, presets
from ui import forms, sampler_form, train_form
from ui.words import LANGUAGES, catalogue, language_of, say, script

UI = Path(__file__).parents[3] / "ui"
WORDS = UI / "words"
SLOT = re.compile(r"\{(\w*)\}")


def python_texts(path: Path) -> Iterator[tuple[str, str]]:
    """(place, text) of each say() with its text in place; a name as argument is said where it was written."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say"):
            continue
        place, text = f"{path.relative_to(UI)}:{node.lineno}", node.args[0]
        if isinstance(text, ast.Constant):
            yield place, text.value
        else:
            whole = isinstance(text, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
            assert whole, (
                f"{place}: say() takes one whole text; give figures as values: say('{{n}} rows', n=3)"
            )


def script_texts(path: Path) -> Iterator[tuple[str, str]]:
    """The same of a script."""
    source = path.read_text("utf-8")
    for call in re.finditer(
        r'(?<![\w.])say\(\s*(?:"((?:[^"\\]|\\.)*)"\s*[,)]|(?:[\w.]+(?:\[[^\]"]*\])?)\s*[,)]|(.))', source
    ):
        place = f"{path.relative_to(UI)}:{source.count(chr(10), 0, call.start()) + 1}"
        assert call[2] is None, f'{place}: say() takes one whole text: say("{{n}} rows", {{ n: 3 }})'
        if call[1] is not None:
            yield place, ast.literal_eval(f'"{call[1]}"')


def said() -> dict[str, str]:
    """Each text of the page -> a place where it is said."""
    scripts = [path for path in UI.rglob("*.js") if path.name != "words.js"]
    found = [pair for path in UI.rglob("*.py") for pair in python_texts(path)]
    found += [pair for path in scripts for pair in script_texts(path)]
    return {text: place for place, text in found}


def of_the_specs() -> set[str]:
    """What the specs say of their settings in forms."""
    groups = [*train_form.GROUPS.values(), (ConvertSpec, None), (TrainSpec, ["name", "priority"])]
    groups += [(SAMPLERS[name], None) for name in SAMPLERS]
    helps = {field.help for spec_class, names in groups for field in forms.fields(spec_class, names)}
    helps |= {sampler_form.about(name) for name in SAMPLERS}
    helps |= {presets.OWN, presets.FITTING, *(p.why for p in (presets.OF_CAUSAL, *presets.PRESETS.values()))}
    helps |= {builder.description for builder in BUILDERS.values()}
    return (helps | {option.help for builder in BUILDERS.values() for option in builder.options}) - {""}


def named(language: str, file: str) -> dict[str, str]:
    return json.loads((WORDS / language / file).read_text("utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_page_has_its_words(language: str):
    texts, words = said(), named(language, "interface.json")
    assert [f"{place}: {text}" for text, place in texts.items() if text not in words] == []
    assert sorted(words.keys() - texts.keys()) == []


def test_no_style_sheet_has_words_of_its_own():
    """They would be English in every language."""
    held = [
        (path.name, text)
        for path in UI.rglob("*.css")
        for value in re.findall(r"(?<!-)content:([^;}]*)", path.read_text("utf-8"))
        for text in re.findall(r'"([^"]*)"', re.sub(r"\\[0-9a-f]+", "", value))
    ]
    assert held and [(name, text) for name, text in held if re.search("[a-z]{2}", text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_help_of_a_setting_has_its_words(language: str):
    texts, words = of_the_specs(), named(language, "settings.json")
    assert sorted(texts - words.keys()) == []
    assert sorted(words.keys() - texts) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_keep_the_values(language: str):
    words = catalogue(language)
    assert [text for text in words if sorted(SLOT.findall(text)) != sorted(SLOT.findall(words[text]))] == []
    assert [text for text in words if not words[text].strip()] == []


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "en"),
        ({"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}, "zh-CN"),
        ({"accept-language": "zh"}, "zh-CN"),
        ({"accept-language": "fr, en;q=0.8, zh;q=0.2"}, "en"),
        ({"accept-language": "fr"}, "en"),
        ({"accept-language": "zh-CN", "cookie": "a=b; studio_language=en"}, "en"),
        ({"accept-language": "en", "cookie": "studio_language=zh-CN"}, "zh-CN"),
        ({"accept-language": "en", "cookie": "studio_language=../../etc"}, "en"),
    ],
)
def test_the_cookie_and_then_the_browser_choose(headers: dict[str, str], language: str):
    assert language_of(headers) == language


@pytest.mark.parametrize(
    ("n", "told"),
    [(1, "1 row of 2 is"), ("1", "1 row of 2 is"), (0, "0 rows of 2 are"), ("1,001", "1,001 rows of 2 are")],
)
def test_what_is_counted_has_the_form_of_its_number(n: Any, told: str):
    assert say("{n} {n:row|rows} of {all} {n:is|are}", n=n, all=2) == told


def test_no_text_of_the_page_says_1_rows():
    counted = re.compile(r"\{(?:n|count|total)\} (?:[a-z]+ )?[a-z]{2,}s\b")
    assert [f"{place}: {text}" for text, place in said().items() if counted.search(text)] == []


def test_an_event_is_answered_in_the_language_of_the_one_who_asked(asked_in_chinese: Any):
    assert say("Train") == catalogue("zh-CN")["Train"]
    assert say("nobody has said this {n}", n=3) == "nobody has said this 3"


def test_the_page_is_built_in_english():
    assert say("Train") == "Train"


def test_the_script_holds_the_catalogue():
    assert script("zh-CN").startswith("window.studioWords = {")
    assert "训练" in script("zh-CN")
