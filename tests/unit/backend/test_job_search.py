"""Lists of jobs: what matches, in which order, page by page, groups folded, and no spec read."""

import json
from typing import Any

import pytest
from sqlalchemy import insert, text

from backend.listed import model_named
from backend.services.job_search import JobSearch, Wanted
from backend.store.tables import jobs
from tests.fakes.studio import job_row

ROWS = (  # oldest first
    {"name": "Stories, again", "model": "stories", "state": "succeeded", "ended_at": 50.0},
    {"name": "100 % sure_thing", "state": "failed", "ended_at": 60.0, "tags": '["paper", "keep"]'},
    {
        "name": "lr=1",
        "group": "sweep-0001",
        "place": "learning_rate=0.1",
        "state": "succeeded",
        "ended_at": 20.0,
    },
    {"name": "lr=2", "group": "sweep-0001", "place": "learning_rate=0.2", "state": "queued", "rank": 2.0},
    {"name": "First in line", "kind": "convert", "state": "queued", "rank": 1.0},
    {"name": "Sooner", "state": "queued", "rank": 9.0, "priority": 5, "tags": '["paper"]'},
    {"name": "Now", "state": "running"},
)


@pytest.fixture
def search(studio) -> JobSearch:
    rows = [job_row(f"train-{n:04d}", created_at=float(n), **row) for n, row in enumerate(ROWS, start=1)]
    with studio.store.write() as conn:
        for row in rows:
            conn.execute(insert(jobs).values(row))
    return studio.search


def numbers(found: Any) -> list[int]:
    return [int(job.id[-4:]) for job in found]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1]),
        ({"order": "oldest"}, [1, 2, 3, 4, 5, 6, 7]),
        ({"order": "turn"}, [7, 6, 5, 4, 2, 1, 3]),
        ({"order": "name"}, [2, 5, 3, 4, 7, 6, 1]),
        ({"search": "STORIES"}, [1]),
        ({"search": "train 0006"}, [6]),
        ({"search": "rate=0.2"}, [4]),
        ({"search": "sweep lr=1"}, [3]),
        ({"search": "%"}, [2]),
        ({"search": "e_t"}, [2]),
        ({"search": "' OR 1=1 --"}, []),
        ({"search": "paper"}, [6, 2]),
        ({"search": "["}, []),
        ({"search": '"'}, []),
        ({"search": ","}, [1]),
        ({"tags": ["paper", "keep"]}, [2]),
        ({"tags": ["pap"]}, []),
        ({"states": ["queued"], "kinds": ["convert"]}, [5]),
        ({"states": ["failed", "succeeded"]}, [3, 2, 1]),
        ({"group": "sweep-0001", "order": "oldest"}, [3, 4]),
        ({"kinds": ["no such kind"]}, []),
    ],
)
def test_what_matches_and_in_which_order(search: JobSearch, wanted: dict[str, Any], found: list[int]):
    page = search.page(Wanted(**wanted))
    assert numbers(page.jobs) == found and page.total == len(found)
    assert numbers(search.briefs(Wanted(**wanted))) == found


def test_pages_follow_each_other(search: JobSearch):
    pages = [search.page(Wanted(), limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [numbers(page.jobs) for page in pages] == [[7, 6, 5], [4, 3, 2], [1], []]
    assert {page.total for page in pages} == {7}


def test_states_are_counted_of_what_matches_otherwise(search: JobSearch):
    page = search.page(Wanted(tags=["paper"], states=["failed"]))
    assert page.total == 1 and page.states == {"failed": 1, "queued": 1}


def test_a_group_counts_as_one_where_its_first_job_stands(search: JobSearch):
    page = search.page(Wanted(order="turn"), limit=4, fold=True)
    assert numbers(page.jobs) == [7, 6, 5, 4] and page.total == 6
    (group,) = page.groups.values()
    assert (group.id, group.state, group.counts) == ("sweep-0001", "queued", {"succeeded": 1, "queued": 1})
    ended = search.page(Wanted(order="turn", states=["succeeded"]), fold=True)
    assert numbers(ended.jobs) == [1, 3] and ended.groups["sweep-0001"].counts["queued"] == 1
    assert search.page(Wanted(), limit=2, offset=4, fold=True).groups == {}


def test_a_group_that_is_named_like_a_job_is_not_that_job(search: JobSearch, studio):
    with studio.store.write() as conn:
        conn.execute(insert(jobs).values(job_row("train-0008", created_at=8.0, group="train-0001")))
    assert search.page(Wanted(), fold=True).total == 7


def test_no_spec_is_read(search: JobSearch, studio):
    with studio.store.write() as conn:
        conn.execute(text("UPDATE jobs SET spec = 'no JSON', last_lines = '[', note = 'long'"))
    line = search.page(Wanted(search="Sooner")).jobs[0].model_dump()
    assert line["priority"] == 5 and not {"spec", "last_lines", "note"} & line.keys()
    assert len(studio.jobs.shown()) == len(ROWS)


def test_ten_thousand_are_listed_out_of_the_index_alone(search: JobSearch, studio):
    with studio.store.read() as conn:
        query = (
            "SELECT id FROM jobs WHERE name LIKE '%x%' OR tags LIKE '%x%' ORDER BY created_at DESC, id DESC"
        )
        plan = [row.detail for row in conn.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert any("COVERING INDEX jobs_listed" in step for step in plan), plan


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"model": {"path": "/home/me/.dllm-studio/runs/train-0012/checkpoints/checkpoint-5"}}, "train-0012"),
        ({"model": {"path": "/studio/assets/models/stories"}}, "stories"),
        ({"model": {"path": None, "new": {"architecture": "gpt2", "tokenizer": "x"}}}, "gpt2"),
        ({"model": {"new": {"family": "llada"}}}, "llada"),
        ({"model": "run:train-0003"}, "run:train-0003"),
        ({"source": "org/model-7b"}, "org/model-7b"),
        ({"kind": "serve", "model": None}, ""),
    ],
)
def test_the_model_is_named_as_people_know_it(spec: dict[str, Any], name: str):
    assert model_named(json.loads(json.dumps(spec))) == name
