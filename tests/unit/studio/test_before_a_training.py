"""import-config, lr-find, flops and lengths on the command line."""

import json
from pathlib import Path

import pytest
import yaml

from jobs.protocol.errors import SpecError
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import write_json
from jobs.specs.load import parse_spec
from studio.cli.lr_find import search

DDM = "stage: ddm\nmodel_name_or_path: m\ndataset: d\nfinetuning_type: full\nmax_steps: 5\nown_flag: 1\n"


@pytest.fixture
def foreign(tmp_path):
    path = tmp_path / "ddm.yaml"
    path.write_text(DDM)
    return str(path)


def test_a_foreign_file_becomes_a_spec_and_says_what_is_missing(studio, foreign):
    code, out, err = studio("import-config", foreign)
    assert code == 0 and yaml.safe_load(out)["objective"]["name"] == "ddm"
    assert "settings of LLaMA-Factory" in err and "left out: own_flag = 1" in err


def test_an_imported_spec_is_written_once(studio, foreign, tmp_path):
    target = tmp_path / "spec.yaml"
    assert studio("import-config", foreign, "--out", str(target))[0] == 0
    assert parse_spec(yaml.safe_load(target.read_text())).optimisation.steps == 5
    code, _, err = studio("import-config", foreign, "--out", str(target))
    assert code == 2 and "there already" in err


def test_a_command_line_in_quotes(studio):
    command = "python examples/llada/sft.py --model_name_or_path m --dataset_args d --max_steps 7"
    code, out, err = studio("import-config", command)
    assert code == 0 and yaml.safe_load(out)["optimisation"]["steps"] == 7 and "dLLM" in err


def test_a_file_that_is_not_there(studio):
    code, _, err = studio("import-config", "nowhere.yaml")
    assert code == 2 and "cannot be read" in err


def searched(run, attempt):
    """What the program leaves behind after a search."""
    events = EventWriter(run.events, attempt.number)
    for step in range(1, 41):
        rate, loss = 10 ** (step / 8 - 5), abs(step - 30) / 10 + 1
        events.write("metrics", step=step, values={"loss": loss, "learning_rate": rate})
    write_json(run.result_json, {"attempt": attempt.number, "status": "succeeded", "suggested_rate": 5.6e-3})
    return 0


def test_the_search_draws_its_curve_and_suggests(studio, program, spec):
    program["train"] = searched
    code, out, _ = studio("lr-find", spec, "--steps", "40")
    assert code == 0 and "optimisation.learning_rate=5.6e-03" in out
    assert len([line for line in out.splitlines() if "#" in line]) == 20


def test_the_search_is_the_training_with_a_rising_rate(spec):
    before = parse_spec(yaml.safe_load(Path(spec).read_text()))
    found = search(before, 50, 0.1)
    assert (found.optimisation.lr_schedule, found.optimisation.steps) == ("rising", 50)
    assert found.model == before.model and found.report.log_every == 1 and not found.report.prompts
    with pytest.raises(SpecError, match="for trainings"):
        search(parse_spec({"kind": "convert", "source": "m"}), 50, 0.1)


def test_operations_of_a_training(studio, spec):
    """GPT-2 in its default size, 12 layers of width 768, and 256 positions."""
    code, out, _ = studio("flops", spec, "--json")
    found = json.loads(out)
    layers = 2 * 12 * (4 * 768**2 + 2 * 768 * 3072)
    assert code == 0 and found["of these in layers"] == pytest.approx(layers, rel=0.01)
    assert found["of these in attention"] == 4 * 12 * 256 * 768
    assert found["tokens a step"] == 8 * 256
    assert found["forward and backward, a token"] == 3 * found["forward, a token"]


def test_a_block_objective_reads_twice_the_positions(studio, spec):
    plain = json.loads(studio("flops", spec, "--json")[1])
    twice = json.loads(studio("flops", spec, "--set", "objective.name=bd3lm", "--json")[1])
    assert twice["of these in layers"] == 2 * plain["of these in layers"]
    assert twice["of these in attention"] == 4 * plain["of these in attention"]


def test_lengths_of_rows(studio, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"text": "12" * n}) + "\n" for n in (1, 2, 20)))
    words = ("lengths", str(file), "--tokenizer", "characters:12", "--max-length", "10")
    code, out, _ = studio(*words)
    assert code == 0 and "Longer than 10: 1 row (33.3%)" in out
    found = json.loads(studio(*words, "--json")[1])
    assert (found["rows"], found["tokens"], found["longer"]) == (3, 49, 1)
