"""A pipeline's steps: what each waits for, and which results it may name."""

import pytest

from jobs.protocol.errors import SpecError
from jobs.specs.groups import parse_group
from jobs.specs.references import promised, references

CONVERT = {"kind": "convert", "source": "donor"}
TRAIN = {"kind": "train", "model": {"path": "run:convert"}, "data": {"path": "stories"}}
PREPARE = {"kind": "prepare", "data": {"path": "stories"}, "tokenizer": "run:convert"}
SAMPLE = {"kind": "sample", "model": "run:train", "prompts": "prompts.txt"}
STEPS = {"convert": CONVERT, "train": TRAIN, "sample": SAMPLE}


def pipeline(**steps):
    return parse_group({"kind": "pipeline", "name": "All of it", "steps": steps})


def test_steps_wait_for_each_other_in_the_order_written():
    jobs = pipeline(**STEPS).jobs("pipeline-0003")
    assert [job.queue.after for job in jobs] == [[], ["convert"], ["train"]]
    assert [job.queue.place for job in jobs] == ["convert", "train", "sample"]
    assert {job.queue.group for job in jobs} == {"pipeline-0003"}
    assert [job.name for job in jobs] == ["All of it: convert", "All of it: train", "All of it: sample"]


def test_names_of_steps_become_ids():
    made = pipeline(**STEPS)
    convert, train, sample = made.link(made.jobs(), ["convert-0007", "train-0008", "sample-0009"])
    assert references(train) == {"model.path": "run:convert-0007"} and train.queue.after == ["convert-0007"]
    assert references(sample) == {"model": "run:train-0008"}
    assert promised(train) == {"run:convert-0007"} and not promised(convert)


def test_after_says_otherwise_and_what_is_used_is_waited_for():
    other = {**TRAIN, "queue": {"after": []}}
    fork = {**TRAIN, "queue": {"after": ["other"]}, "data": {"path": "run:prepare"}}
    jobs = pipeline(convert=CONVERT, prepare=PREPARE, other=other, fork=fork).jobs()
    assert [job.queue.after for job in jobs] == [
        [],
        ["convert"],
        ["convert"],  # nothing asked for, but its model comes from there
        ["other", "convert", "prepare"],
    ]


def test_a_step_may_go_on_from_an_earlier_run():
    (job,) = pipeline(train={**TRAIN, "model": {"path": "run:train-0001"}}).jobs()
    assert job.queue.after == [] and not promised(job)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"train": TRAIN, "convert": CONVERT}, "steps.train.model.path: there is no step 'convert' before"),
        ({"convert": CONVERT, "train": {**TRAIN, "queue": {"after": ["sample"]}}}, "no step 'sample' before"),
        ({"convert": CONVERT, "train": {**TRAIN, "data": {"path": "run:convert"}}}, "a prepare job fits"),
        ({"convert": CONVERT, "train": {**TRAIN, "datta": {}}}, "steps.train: unknown key 'datta'"),
        ({"convert": {"kind": "convertt"}}, "steps.convert: kind must be one of"),
        ({"Convert it": CONVERT}, "name a step in small letters"),
        ({"train-0001": CONVERT}, "name a step in small letters"),
        ({}, "steps"),
    ],
)
def test_what_cannot_work_is_refused_by_step(steps, words):
    with pytest.raises(SpecError, match=words):
        pipeline(**steps)
