"""What a training does with bad rows is what its spec says, and its corpus counts them."""

import json
from pathlib import Path

import pytest

from jobs.models.tokenizers import character_tokenizer
from jobs.programs.process import Process
from jobs.programs.training.corpus import load_corpus
from jobs.protocol.errors import DataError
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.job import TrainSpec

LINES = [
    '{"text": "12"}',
    '{"text": NaN}',
    '{"text": "34"}',
    '{"text": ""}',
    '{"prompt": "1", "completion": "2"}',
]
BAD = {"number": 1, "empty": 1, "mixed": 1}


def corpus(folder: Path, decision: str):
    path = folder / "rows.jsonl"
    path.write_text("\n".join(LINES))
    data = {"path": str(path), "validation": 0, "packing": False, "on_bad_rows": decision}
    spec = TrainSpec.parse({"model": {"path": "m"}, "data": data, "objective": {"name": "mdlm"}})
    run = RunFolder.create(folder / "runs", "train", spec.model_dump(mode="json"))
    process = Process(run, run.new_attempt(), spec)
    tokenizer = character_tokenizer("0123456789")
    config = DiffusionConfig(mask_token_id=tokenizer.mask_token_id)
    found = load_corpus(process, tokenizer, config, None, lambda: None)
    told = [event["text"] for _, event in read_events(run.events) if event["event"] == "note"]
    return run, found, told


def test_stop_names_the_first_bad_row_and_the_way_out(tmp_path: Path):
    with pytest.raises(DataError, match="rows.jsonl, line 2: NaN.*set data.on_bad_rows to skip"):
        corpus(tmp_path, "stop")


@pytest.mark.parametrize("decision", ["skip", "quarantine"])
def test_bad_rows_are_left_out_counted_and_told(tmp_path: Path, decision: str):
    run, found, told = corpus(tmp_path, decision)
    assert len(found.train) == 2 and found.bad == BAD
    assert any("3 bad rows were" in note for note in told)
    assert run.bad_rows.exists() == (decision == "quarantine")
    if decision == "quarantine":
        places = [json.loads(line)["place"] for line in run.bad_rows.read_text().splitlines()]
        assert places == [f"rows.jsonl, line {n}" for n in (2, 4, 5)]
