"""A training is the same however its work is split: trajectories of the loss, and the weights at the end.

The tolerances allow for sums in another order and nothing more: over ten steps at a high learning rate a
wrong normaliser or one other mask is a hundred times larger.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from jobs.models import checkpoint, create
from jobs.programs import train as train_program
from jobs.programs.process import main
from jobs.protocol.folder import RunFolder, read_json
from jobs.specs.job import NewModelSpec
from tests.fakes.programs import (
    MODEL,
    PATIENCE,
    curve,
    environment,
    events,
    free_port,
    torchrun,
    training,
    write_sums,
)

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.filterwarnings("ignore")]

LOSS, WEIGHTS = 2e-5, 2e-4  # largest difference of a loss, and of a weight after ten AdamW steps
STEPS = 10
COMPILING = 420.0  # seconds: DeepSpeed compiles its CPU communication at the first start
WITH_NINJA = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
STILL = {**MODEL, "config": {**MODEL["config"], "attn_pdrop": 0, "embd_pdrop": 0, "resid_pdrop": 0}}


@pytest.fixture
def sums(tmp_path) -> Path:
    return write_sums(tmp_path)


def still(tmp_path: Path, sums: Path, size: int, accumulation: int, seed: int = 0, **changes) -> RunFolder:
    """A training without dropout, whose noise is the rows' own."""
    batches = {"batch_size": size, "gradient_accumulation": accumulation}
    return training(
        tmp_path,
        sums,
        steps=STEPS,
        **{
            "model": {"new": STILL},
            "optimisation": {**batches, "warmup_steps": 0, "seed": seed},
            "data": {"validation": 0},
            **changes,
        },
    )


def train_here(run: RunFolder) -> RunFolder:
    assert main("train", train_program.train, [str(run.path)]) == 0
    return run


def equal(one: RunFolder, other: RunFolder) -> None:
    assert len(curve(one)) == STEPS
    assert curve(one) == pytest.approx(curve(other), abs=LOSS)
    ours, theirs = (checkpoint.load(run.model).model.state_dict() for run in (one, other))
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], atol=WEIGHTS, rtol=0)


@pytest.mark.parametrize(
    "objective",
    [
        {"name": "mdlm"},  # divided by the maskable tokens of the step, times spread over its rows
        {"name": "mdlm", "loss_norm_type": "sequence"},
        {"name": "ddm", "anneal_steps": 20, "random_length_ratio": 0.3},  # by its masked tokens
        {"name": "bd3lm", "block_size": 4},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_batch_1_accumulated_8_times_is_batch_8(tmp_path, sums, objective):
    whole = train_here(still(tmp_path, sums, 8, 1, objective=objective))
    equal(train_here(still(tmp_path, sums, 1, 8, objective=objective)), whole)
    other = train_here(still(tmp_path, sums, 8, 1, seed=1, objective=objective))
    assert curve(other) != pytest.approx(curve(whole), abs=100 * LOSS)
    assert read_json(whole.result_json)["steps"] == STEPS


def two_processes(*runs: RunFolder, patience: float = PATIENCE, **settings: str) -> None:
    """Carry out the runs in one pair of processes."""
    argv = [sys.executable, *torchrun(free_port()), "-m", "tests.fakes.trainings"]
    done = subprocess.run(
        [*argv, *(str(run.path) for run in runs)],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=patience,
    )
    assert done.returncode == 0, [event["text"] for run in runs for event in events(run, "error")] + [
        done.stderr[:3000]
    ]


def by(name: str, **options) -> dict:
    return {"name": name, "processes": 2, "device": "cpu", **options}


def test_two_processes_and_fsdp_are_one_process_and_a_resumed_run_is_the_uninterrupted_one(tmp_path, sums):
    whole = train_here(still(tmp_path, sums, 8, 1))
    often = {"save_every": 5}
    ddp = still(tmp_path, sums, 4, 1, launcher=by("torchrun"), report=often)
    fsdp = still(tmp_path, sums, 2, 2, launcher=by("fsdp"), report=often)
    film = {"prompts": ["1+1=____"], "sampler": {"steps": 4, "max_new_tokens": 4, "block_size": 4}}
    lora = still(
        tmp_path, sums, 4, 1,
        launcher=by("fsdp", offload_weights=True), tuning={"method": "lora", "rank": 2},
        data={"validation": 0.1}, optimisation={"precision": "bf16", "gradient_checkpointing": True},
        report={**film, **often},
    )  # fmt: skip
    two_processes(ddp, fsdp, ddp, fsdp, lora, lora)
    for run in (ddp, fsdp):
        equal(run, whole)
        steps = [e["step"] for e in events(run, "metrics") if e["attempt"] == 2]
        assert steps == list(range(6, STEPS + 1)), "the second attempt went on from checkpoint 5"
        first = {e["step"]: e["values"]["loss"] for e in events(run, "metrics") if e["attempt"] == 1}
        assert curve(run) == pytest.approx(first, abs=1e-6)
    assert (fsdp.checkpoints / "checkpoint-5" / "shards").is_dir(), "each process wrote its part"
    assert read_json(lora.result_json)["attempt"] == 2 and len(list(lora.samples.iterdir())) == 1
    assert read_json(lora.model / "config.json")["dtype"] == "bfloat16"


@pytest.fixture
def stored(tmp_path) -> dict:
    """A model in a folder, which one process alone reads; its words are tied to its head."""
    made = create.create(NewModelSpec.parse(STILL), seed=3)
    folder = tmp_path / "stored"
    checkpoint.save(made.model, made.tokenizer, made.config, folder)
    return {"model": {"path": str(folder), "new": None}}


def test_what_one_process_read_is_what_all_train(tmp_path, sums, stored):
    whole = train_here(still(tmp_path, sums, 8, 1, **stored))
    ddp = still(tmp_path, sums, 4, 1, launcher=by("torchrun"), **stored)
    fsdp = still(tmp_path, sums, 4, 1, launcher=by("fsdp"), **stored)
    lora = {**stored, "tuning": {"method": "lora", "rank": 2}}
    beside = still(tmp_path, sums, 4, 1, launcher=by("fsdp", offload_weights=True), **lora)
    two_processes(ddp, fsdp, beside)
    for run in (ddp, fsdp):
        equal(run, whole)
    equal(beside, train_here(still(tmp_path, sums, 8, 1, **lora)))


LLAMA = {
    **STILL,
    "architecture": "llama",
    "config": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 1, "max_position_embeddings": 64,
    },
}  # fmt: skip


def test_two_processes_that_share_each_text_are_one_process(tmp_path, sums):
    """Ulysses, alone and over weights that are split; validation and film take part."""
    packed = {"model": {"new": LLAMA}, "data": {"packing": True, "append_eos": True, "validation": 0.2}}
    film = {"prompts": ["1+1=____"], "sampler": {"steps": 4, "max_new_tokens": 4, "block_size": 4}}
    whole = train_here(still(tmp_path, sums, 4, 1, **packed))
    shared = still(tmp_path, sums, 4, 1, launcher=by("torchrun", sequence_parallel=2), report=film, **packed)
    split = still(tmp_path, sums, 4, 1, launcher=by("fsdp", sequence_parallel=2), report=film, **packed)
    unpacked = still(
        tmp_path, sums, 4, 1, launcher=by("torchrun", sequence_parallel=2), data={"max_length": 15}
    )
    two_processes(shared, split)
    for run in (shared, split):
        equal(run, whole)
        scores = [read_json(r.result_json)["validation_after"] for r in (run, whole)]
        assert scores[0] == pytest.approx(scores[1], abs=LOSS)
        assert len(list(run.samples.iterdir())) == 1
    with pytest.raises(AssertionError, match="2 processes cannot share 9 tokens evenly"):
        two_processes(unpacked)


def test_zero_2_and_zero_3_are_one_process(tmp_path, sums, stored):
    """DeepSpeed, started by torchrun, as on several machines; one process alone reads the model."""
    whole = train_here(still(tmp_path, sums, 8, 1, **stored))
    zero_2 = still(tmp_path, sums, 2, 2, launcher=by("deepspeed", zero_stage=2, offload=True), **stored)
    zero_3 = still(tmp_path, sums, 4, 1, launcher=by("deepspeed", zero_stage=3), **stored)
    two_processes(zero_2, zero_3, DS_ACCELERATOR="cpu", PATH=WITH_NINJA, patience=COMPILING)
    equal(zero_2, whole)
    equal(zero_3, whole)
