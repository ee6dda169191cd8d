"""DeepSpeed's own parser reads what we write for it."""

import pytest

from jobs.programs.training import arguments
from tests.unit.programs.test_training import train_spec

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "launcher",
    [
        {"zero_stage": 0},
        {"zero_stage": 1, "offload": True},
        {"zero_stage": 2, "offload": True},
        {"zero_stage": 3},
        {"zero_stage": 3, "offload": True, "offload_weights": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_deepspeed_reads_its_config(launcher, precision, monkeypatch):
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    from deepspeed.runtime.config import DeepSpeedConfig

    optimisation = {
        "batch_size": 3,
        "gradient_accumulation": 5,
        "precision": precision,
        "learning_rate": 2e-5,
    }
    spec = train_spec(launcher={"name": "deepspeed", "processes": 2, **launcher}, optimisation=optimisation)
    read = DeepSpeedConfig(arguments.deepspeed_config(spec))
    assert (read.train_micro_batch_size_per_gpu, read.gradient_accumulation_steps) == (3, 5)
    assert read.bfloat16_config.enabled == (precision == "bf16")
    assert read.zero_config.stage == launcher["zero_stage"]
    assert (read.zero_config.offload_optimizer is not None) == launcher.get("offload", False)
    assert (read.zero_config.offload_param is not None) == launcher.get("offload_weights", False)
    assert read.optimizer_params["lr"] == 2e-5 and read.optimizer_name == "adamw"
