"""What a job will write, by hand."""

import pytest

from jobs.specs.job import ConvertSpec, TrainSpec
from jobs.specs.sizes import sizes_of
from jobs.specs.storage import checkpoints_at_once, of_conversion, of_preparation, of_training

SIZES = sizes_of({"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 20})
VALUES = 1000


def train(report=None, **parts):
    spec = {"kind": "train", "model": {"path": "m"}, "data": {"path": "d"}, "report": report or {}, **parts}
    return TrainSpec.parse(spec)


@pytest.mark.parametrize(
    ("report", "steps", "count"),
    [
        ({}, 100, 1),  # after a stop, or the last step
        ({"save_every": 10}, 100, 3),  # two are kept, and the third is written before the first goes
        ({"save_every": 10, "keep_checkpoints": 5}, 30, 3),
        ({"save_every": 200}, 100, 1),
    ],
)
def test_how_many_checkpoints_stand_side_by_side(report, steps, count):
    assert checkpoints_at_once(train(report, optimisation={"steps": steps})) == count


@pytest.mark.parametrize(
    ("parts", "checkpoint", "model"),
    [
        ({}, 4 * VALUES + 8 * VALUES, 4 * VALUES),
        ({"optimisation": {"precision": "bf16", "ema_decay": 0.9}}, (4 + 8 + 4) * VALUES, 2 * VALUES),
        ({"launcher": {"name": "deepspeed"}}, (4 + 8 + 4) * VALUES, 4 * VALUES),
        ({"optimisation": {"optimizer": "adafactor"}}, 4.1 * VALUES, 4 * VALUES),
    ],
)
def test_a_checkpoint_is_weights_and_states(parts, checkpoint, model):
    assert of_training(train(**parts), SIZES, VALUES) == {
        "checkpoints": checkpoint,
        "the finished model": model,
    }


def test_of_a_lora_only_its_matrices_are_kept():
    found = of_training(train(tuning={"method": "lora", "rank": 1}), SIZES, 10**6)
    assert found["checkpoints"] < 12 * 10**4 and found["the finished model"] == 4 * 10**6


@pytest.mark.parametrize("parts", [{"report": {"probe_of": 9}}, {"optimisation": {"lr_schedule": "rising"}}])
def test_what_saves_nothing_needs_nothing(parts):
    assert of_training(train(**parts), SIZES, VALUES) == {}


@pytest.mark.parametrize(
    ("fields", "values", "wanted"),
    [
        ({"source": "m"}, VALUES, 500),  # as it is
        ({"source": "m", "dtype": "float32"}, VALUES, 4000),
        ({"source": "m.gguf"}, None, 2000),
    ],
)
def test_a_conversion_writes_its_model_once(fields, values, wanted):
    spec = ConvertSpec.parse({"kind": "convert", **fields})
    assert of_conversion(spec, 500, values) == {"the converted model": wanted}


def test_prepared_data_is_told_by_the_text_it_comes_from():
    assert of_preparation(8000, packed=False) == {"prepared data": 4000}
    assert of_preparation(8000, packed=True) == {"prepared data": 12000}
