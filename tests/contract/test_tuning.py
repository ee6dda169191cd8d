"""Every way to train a model, and every optimizer: it trains, stops, goes on as if it had not, and its result
is a plain checkpoint that loads."""

from importlib.util import find_spec

import pytest
import torch

from jobs.models import checkpoint
from jobs.models.create import create
from jobs.specs.job import NewModelSpec
from jobs.specs.optimisation import OPTIMIZERS
from tests.fakes.small_training import MODEL, begin, go_on, losses

pytestmark = pytest.mark.e2e  # half a minute

LORA = {"method": "lora", "rank": 2}
CHOICES = {
    "full": {},
    "layers": {"tuning": {"method": "layers", "layers": 1}},
    "expand": {"tuning": {"method": "expand", "layers": 1}},
    "lora": {"tuning": {**LORA, "dropout": 0.1}},
    "pissa": {"tuning": {**LORA, "start": "pissa"}},
    "dora with rslora": {"tuning": {**LORA, "dora": True, "rslora": True}},
    "lora_plus and embeddings": {"tuning": {**LORA, "lora_plus": 16, "modules_to_save": "embed_tokens"}},
    "qlora": {"tuning": {**LORA, "quantize": "4bit"}},
    "average": {"optimisation": {"ema_decay": 0.5}},
    "neftune": {"optimisation": {"neftune_alpha": 5}},
    **{
        f"optimizer {name}": {"optimisation": {"optimizer": name, "optimizer_rank": 4}}
        for name in OPTIMIZERS
        if name != "adamw"
    },
}
CHOICES["optimizer schedule_free"]["optimisation"]["lr_schedule"] = "constant"
PACKAGES = {f"optimizer {name}": info.module for name, info in OPTIMIZERS.items()} | {"qlora": "bitsandbytes"}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_trains_stops_goes_on_and_loads(name, tmp_path):
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    whole, parted = begin(tmp_path, **CHOICES[name]), begin(tmp_path, **CHOICES[name])
    assert go_on(whole) == "succeeded"
    assert go_on(parted, stop_after=2) == "stopped" and not parted.model.exists()
    assert go_on(parted) == "succeeded"
    # 1. Stopped and taken up again, it comes to the same weights.
    assert losses(parted) == pytest.approx(losses(whole), rel=1e-4)
    result, again = (checkpoint.load(run.model).model for run in (whole, parted))
    ids = torch.arange(12)[None]
    with torch.no_grad():
        first, second = (model(input_ids=ids, use_cache=False).logits for model in (result, again))
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)
        # 2. They are not those that it began with, and nothing of the way of training is left in them.
        start = create(NewModelSpec.parse(MODEL), seed=0).model
        assert not torch.allclose(first, start(input_ids=ids, use_cache=False).logits, atol=1e-4)
    assert type(result) is type(start)
    assert all(type(m) is torch.nn.Linear for n, m in result.named_modules() if n.endswith("_proj"))
