"""studio clean."""

import json

import pytest


@pytest.fixture
def run(studio, spec, studio_home):
    """A run that has ended."""
    studio("run", spec, "--wait")
    return studio_home / "runs" / "train-0001"


def test_it_says_what_would_go_and_then_deletes_it(studio, run):
    code, out, _ = studio("clean", "--older-than", "0h", "--dry-run")
    assert code == 0 and "train-0001" in out and "1 to delete" in out and run.exists()
    assert studio("clean", "--older-than", "0h")[0] == 1 and run.exists(), "nobody is there to say yes"
    code, out, _ = studio("clean", "--older-than", "0h", "--yes")
    assert code == 0 and "are free again" in out and not run.exists()


def test_what_is_young_or_small_enough_stays(studio, run):
    for wish in (["--older-than", "30d"], ["--keep-size", "50G"], []):
        code, out, _ = studio("clean", *wish)
        assert code == 0 and out == "There is nothing to delete.\n" and run.exists()
    (item,) = json.loads(studio("clean", "--keep-size", "0k", "--dry-run", "--json")[1])["items"]
    assert item["name"] == "train-0001" and item["what"] == "run"


@pytest.mark.parametrize("wish", [["--older-than", "30"], ["--older-than", "soon"], ["--keep-size", "5X"]])
def test_an_amount_needs_its_unit(studio, wish):
    code, _, err = studio("clean", *wish)
    assert code == 2 and "write a number and a unit" in err
