"""Turns in the queue from the command line."""

import json

import pytest


@pytest.fixture
def three(studio, spec):
    return [studio("run", spec, "--set", "queue.hold=true")[1].strip() for _ in range(3)]


def order(studio):
    queued = json.loads(studio("jobs", "--json")[1])
    return [job["id"] for job in sorted(queued, key=lambda job: job["queue_position"])]


def test_hold_and_release(studio, three):
    code, out, _ = studio("release", *three[:2])
    assert code == 0 and out.splitlines()[0].startswith("train-0001 is number 1 in the queue.")
    assert [job["held"] for job in json.loads(studio("jobs", "--json")[1])] == [True, False, False]
    code, out, _ = studio("hold", three[0])
    assert (code, out) == (0, "train-0001 is number 1 in the queue. Held, until it is released.\n")
    assert "Held, until it is released." in studio("jobs")[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train-0003", "--top"), [3, 1, 2]),
        (("train-0001", "--bottom"), [2, 3, 1]),
        (("train-0003", "--before", "train-0002"), [1, 3, 2]),
        (("train-0001", "--after", "train-0002"), [2, 1, 3]),
        (("train-0002", "--priority", "5"), [2, 1, 3]),
        (("train-0002", "--priority", "-5"), [1, 3, 2]),
    ],
)
def test_move(studio, three, words, expected):
    assert studio("move", *words)[0] == 0
    assert order(studio) == [f"train-{number:04d}" for number in expected]


@pytest.mark.parametrize(
    "words", [(), ("--top", "--bottom"), ("--after", "train-0009"), ("--priority", "200")]
)
def test_a_move_that_makes_no_sense(studio, three, words):
    code, _, err = studio("move", three[0], *words)
    assert code == 2 and err
    assert order(studio) == three


def test_what_was_asked_of_the_queue_is_shown(studio, spec):
    studio("run", spec, "--set", "queue.hold=true")
    studio("run", spec, "--set", "queue.after=[train-0001]", "--set", "queue.retries=3")
    shown = studio("show", "train-0002")[1]
    assert "Waits for the end of train-0001 (queued)." in shown and "1 of 4" in shown
    (job, _) = json.loads(studio("jobs", "--json")[1])
    assert (job["after"], job["retries"], job["retried"]) == (["train-0001"], 3, 0)
