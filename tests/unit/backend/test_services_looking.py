"""Questions about data: what is refused before anybody is asked, and what is known of versions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.services.datasets import DatasetService
from backend.services.looking import LookingService
from backend.services.models import ModelService
from backend.services.resolve import Resolver
from backend.studio import Studio
from jobs.protocol.errors import AccessError, DataError, JobError, ModelError, SpecError
from tests.fakes.studio import make_studio

MODEL = {"path": "stories"}


@pytest.fixture
def studio(studio_home: Path) -> Iterator[Studio]:
    with make_studio(studio_home) as studio:
        yield studio


@pytest.fixture
def looking(studio: Studio) -> LookingService:
    datasets = DatasetService(studio.home)
    return LookingService(studio.jobs, Resolver(ModelService(studio.home), datasets), datasets, studio.home)


def write(looking: LookingService, name: str, lineage: dict[str, Any] | None = None) -> Path:
    folder = looking.datasets.roots["home"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.write_text('{"text": "a"}\n')
    if lineage is not None:
        (folder / f"{name}.lineage.json").write_text(json.dumps(lineage))
    return path


def test_the_first_question_starts_one_process_and_says_so(looking: LookingService, studio: Studio):
    words = {"op": "rows", "data": {"path": "stories-instructions"}, "model": MODEL}
    replies = [looking.look(words), looking.look(words)]
    assert [reply["state"] for reply in replies] == ["starting", "starting"]
    (job,) = studio.jobs.list(kinds=["inspect"])
    assert replies[1]["job"] == job.id == looking.status()["job"]
    assert job.spec["launcher"]["device"] == "auto"
    looking.leave()
    assert looking.status() == {"job": None}
    with pytest.raises(JobError, match="No process looks at data"):
        looking.leave()


@pytest.mark.parametrize(
    ("words", "error", "why"),
    [
        ({"op": "dance"}, SpecError, "Unknown op 'dance'"),
        ({"op": "rows"}, SpecError, "'data' is missing"),
        ({"op": "preview", "data": {"path": "stories-instructions"}}, SpecError, "'model' is missing"),
        ({"op": "rows", "data": {"path": "/etc/hosts"}}, AccessError, "outside the folders"),
        ({"op": "rows", "data": {"path": "../../etc/hosts"}}, (AccessError, DataError), "hosts"),
        ({"op": "rows", "data": {"path": "nowhere.jsonl"}}, DataError, "no such file"),
        (
            {"op": "rows", "data": {"path": "stories-instructions"}, "model": {"path": "no"}},
            ModelError,
            "'no'",
        ),
        ({"op": "rows", "data": {"path": "stories-instructions + 2 * /etc/hosts"}}, AccessError, "outside"),
        (
            {"op": "rows", "data": {"path": "x", "info": "/etc/hosts"}},
            DataError,
            "hosts cannot be read as JSON",
        ),
        (
            {"op": "rows", "data": {"builder": "speeches", "options": {"path": "/etc"}}},
            AccessError,
            "outside the folders",
        ),
        ({"op": "rows", "data": {"path": "openai/gsm8k"}}, DataError, "write its commit too"),
        ({"op": "version", "data": {"builder": "prose"}, "target": "../evil"}, DataError, "of a version"),
    ],
)
def test_what_is_refused_starts_nothing(
    looking: LookingService, studio: Studio, words: dict, error: Any, why: str
):
    with pytest.raises(error, match=why):
        looking.look(words)
    assert studio.jobs.list(kinds=["inspect"]) == []


def test_a_link_out_of_the_data_folder_is_refused(looking: LookingService, tmp_path: Path):
    secret = tmp_path / "secret.jsonl"
    secret.write_text('{"text": "secret"}\n')
    write(looking, "mine").with_name("link.jsonl").symlink_to(secret)
    with pytest.raises(AccessError):
        looking.look({"op": "rows", "data": {"path": "link"}})


@pytest.mark.parametrize(
    "data",
    [
        {"path": "stories-instructions[train:9] + 0.5 * mine"},
        {"path": f"openai/gsm8k@{'0' * 40}", "columns": {"prompt": "question", "completion": "answer"}},
        {"path": "listed", "info": "{home}/dataset_info.json"},
        {"path": "{home}/shelf"},
        {"builder": "wordnet", "options": {"path": "/usr/share/wordnet"}},
        {"builder": "prose", "options": {"rows": 3}, "max_length": 64, "template": "chatml"},
    ],
    ids=str,
)
def test_all_that_a_training_takes_is_looked_at(looking: LookingService, data: dict[str, Any]):
    home = write(looking, "mine").parent
    (home / "dataset_info.json").write_text('{"listed": {"file_name": "mine.jsonl"}}')
    (home / "shelf").mkdir()
    (home / "shelf" / "a.csv").write_text("text\na\n")
    given = {key: value.format(home=home) if isinstance(value, str) else value for key, value in data.items()}
    assert looking.look({"op": "rows", "data": given})["state"] == "starting"


def test_a_link_in_a_folder_leads_nowhere_else(looking: LookingService, tmp_path: Path):
    (tmp_path / "secret.jsonl").write_text('{"text": "secret"}\n')
    shelf = write(looking, "mine").parent / "shelf"
    shelf.mkdir()
    (shelf / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(AccessError):
        looking.look({"op": "rows", "data": {"path": str(shelf)}})


def test_versions_and_where_they_came_from(looking: LookingService):
    first = write(looking, "mine")
    told = {"rows": 1, "edited": [0], "excluded": [], "note": ""}
    second = write(looking, "mine-v2", {**told, "source": str(first), "created": 1.0})
    third = write(looking, "mine-v3", {**told, "source": str(second), "created": 2.0})
    assert [version["name"] for version in looking.versions()] == ["mine-v3", "mine-v2"]
    assert [version["name"] for version in looking.lineage(str(third))] == ["mine-v3", "mine-v2"]
    assert looking.lineage(str(first)) == []
    second.unlink()
    assert [version["name"] for version in looking.versions()] == ["mine-v3"]


def test_a_version_that_comes_from_itself_has_an_end(looking: LookingService):
    path = write(looking, "loop", {"source": "", "created": 1.0})
    write(looking, "loop", {"source": str(path), "created": 1.0})
    assert len(looking.lineage(str(path))) == 1
