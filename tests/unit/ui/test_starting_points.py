"""What fills the train form: specs, and files of other projects."""

from types import SimpleNamespace

import pytest

from jobs.protocol.errors import SpecError
from ui import starting_points, train_form

SPEC = b"kind: train\nmodel: {path: m}\ndata: {path: d.jsonl}\n"
DDM = b"stage: ddm\nmodel_name_or_path: m\ndataset: d\nfinetuning_type: full\nmax_steps: 5\nown_flag: 1\n"


def test_a_spec_is_taken_as_it_is():
    data, about = starting_points.from_bytes(SPEC)
    assert data["model"] == {"path": "m"} and about == "From your file."


def test_a_file_of_another_project_is_imported_and_says_what_is_missing():
    data, about = starting_points.from_bytes(DDM)
    assert data["objective"]["name"] == "ddm" and data["optimisation"]["steps"] == 5
    assert about.startswith("Settings of LLaMA-Factory.") and "own_flag" in about


@pytest.mark.parametrize("content", [b"steps: 3\n", b"kind: convert\nsource: m\n", b"\xff\xfe", b"- a\n"])
def test_anything_else_is_refused_in_a_sentence(content):
    with pytest.raises(SpecError, match="your file|kind|convert spec"):
        starting_points.from_bytes(content)


@pytest.mark.parametrize("text", [": cut", "kind: convert\nsource: m\n"])
def test_a_broken_link_is_refused_in_a_sentence(text):
    with pytest.raises(SpecError, match="link"):
        starting_points.from_link(text)


def test_a_clone_knows_its_origin_and_is_no_member_of_a_sweep():
    queue = {"group": "sweep-0001", "place": "lr", "hold": True, "clone_of": "train-0001"}
    spec = {"kind": "train", "model": {"path": "m"}, "data": {"path": "d"}, "queue": queue}
    studio = SimpleNamespace(jobs=SimpleNamespace(get=lambda job: SimpleNamespace(spec=spec, id=job)))
    data, _ = starting_points.load(studio, "run:train-0002")  # type: ignore[arg-type]
    assert data["queue"] == {"hold": True, "clone_of": "train-0002"}
    values = train_form.to_values(data)
    assert train_form.to_data(values)["queue"]["clone_of"] == "train-0002"
