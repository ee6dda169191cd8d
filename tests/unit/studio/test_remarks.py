"""studio tag and note."""

import json

import pytest


@pytest.fixture
def run(studio, spec):
    return studio("run", spec)[1].strip()


def test_tags(studio, run):
    assert studio("tag", run) == (0, f"{run} has no tags.\n", "")
    assert studio("tag", run, "good", "keep")[1] == "good keep\n"
    assert studio("tag", run, "v2", "--remove", "good")[1] == "keep v2\n"
    assert "#keep #v2" in studio("jobs", "--tag", "v2")[1] and "keep v2" in studio("show", run)[1]
    assert json.loads(studio("jobs", "--tag", "good", "--json")[1]) == []


def test_a_note(studio, run):
    assert studio("note", run) == (0, f"{run} has no note.\n", "")
    assert studio("note", run, "5 % better\nthan before")[1] == "5 % better\nthan before\n"
    assert "5 % better" in studio("show", run)[1]
    assert studio("note", run, "")[1] == f"{run} has no note.\n"


def test_what_is_refused(studio, run):
    code, _, err = studio("tag", run, "two words")
    assert code == 2 and "'two words' is no tag" in err
    assert studio("note", "train-0099", "x")[0] == 2


def test_cleaning_leaves_alone_what_is_tagged_keep(studio, spec):
    ids = [studio("run", spec, "--wait")[1].strip().split()[0] for _ in range(2)]
    studio("tag", ids[0], "keep")
    code, _, err = studio("clean", "--older-than", "0h", "--yes")
    assert code == 0 and f"{ids[0]} stays. It has the tag keep." in err
    assert [job["id"] for job in json.loads(studio("jobs", "--json")[1])] == ids[:1]
