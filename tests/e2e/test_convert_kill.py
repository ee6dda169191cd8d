"""A conversion that is killed while it writes: no folder that looks whole, and the next attempt succeeds."""

import random
import signal
import time

import pytest
import torch

from jobs.models import checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.families import FAMILIES
from jobs.models.layout import atoms
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.folder import RunFolder, read_json
from tests.fakes.programs import events, finish, make_run, python, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]
SEED = int(time.time())
SIZES = {"hidden_size": 128, "moe_intermediate_size": 128, "num_experts": 64, "num_hidden_layers": 6}


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """(checkpoint, its official folder), large enough that a conversion can be met in the middle."""
    family, folder = FAMILIES["llada2"], tmp_path_factory.mktemp("mixture") / "official"
    debug, family.debug = family.debug, {**family.debug, **SIZES}
    try:
        made = debug_checkpoint("llada2", character_tokenizer("abcdefghijklmnop"))
    finally:
        family.debug = debug
    checkpoint.export(made, "llada2", folder)
    return made, folder


def phases(run: RunFolder) -> list[tuple[int, str]]:
    """(attempt, what it came to) so far."""
    return [(event["attempt"], event["text"]) for event in events(run, "phase")]


def asides(run: RunFolder) -> list:
    return list(run.path.glob(f".{run.model.name}.partial-*"))


def test_a_kill_leaves_no_folder_that_looks_whole(mixture, tmp_path):
    made, folder = mixture
    run = make_run(tmp_path, "convert", source=str(folder), target="official", layout="merged")
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    for attempt, phase in enumerate(("writing", "checking"), 1):
        run.new_attempt()  # as the supervisor does
        process = python(run, "convert")
        wait_for(lambda wanted=(attempt, phase): wanted in phases(run), phase)
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        assert finish(process, run) == -signal.SIGKILL, "it was over before it was killed"
        assert not run.model.exists() and read_json(run.result_json) is None
        assert len(asides(run)) == 1, "what earlier kills left is cleared away by the next attempt"
    assert finish(python(run, "convert"), run) == 0
    assert not asides(run) and read_json(run.result_json)["status"] == "succeeded"
    expected, got = atoms(made.model), atoms(checkpoint.load(run.model).model)
    assert all(torch.equal(tensor, got[key]) for key, tensor in expected.items())
