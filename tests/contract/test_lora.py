"""LoRA over every family: the family's own modules, never a router, and experts where asked."""

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from jobs.diffusion.objectives import build_objective, training_loss
from jobs.models import checkpoint
from jobs.models.adapters import add_lora
from jobs.models.convert import convert
from jobs.models.debug import debug_checkpoint
from jobs.models.families import FAMILIES
from jobs.models.families.base import ExpertFamily
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import SpecError
from jobs.specs.families import FAMILIES as TABLE
from jobs.specs.job import ConvertSpec, TuningSpec
from jobs.specs.objective import MDLMObjective

pytestmark = pytest.mark.thorough

TRAINED = [name for name in FAMILIES if TABLE[name].noise == "mask"]  # DiffusionGemma is not trained here
MIXTURES = [name for name, family in FAMILIES.items() if isinstance(family, ExpertFamily)]


def debug(name):
    return debug_checkpoint(name, character_tokenizer("abcdefghijklmnop"))


def tuned(made, **options):
    """(model with LoRA, names of what it trains)."""
    torch.manual_seed(0)  # peft draws one half of the matrices
    model = add_lora(made.model, TuningSpec(method="lora", rank=2, **options), None, made.config.family)
    return model, [name for name, parameter in model.named_parameters() if parameter.requires_grad]


@pytest.mark.parametrize("name", TRAINED)
def test_a_familys_targets_are_linear_layers_of_it_and_what_is_trained_by_default(name):
    made = debug(name)
    linear = {
        module.rsplit(".", 1)[-1]
        for module, layer in made.model.named_modules()
        if isinstance(layer, nn.Linear | Conv1D)
    }
    assert set(FAMILIES[name].lora_targets) <= linear
    _, trained = tuned(made)
    found = {key.partition(".lora_")[0].rsplit(".", 1)[-1] for key in trained}
    assert found == set(FAMILIES[name].lora_targets)


@pytest.mark.parametrize("targets", ["family", "all-linear"])
@pytest.mark.parametrize("name", TRAINED)
def test_lora_leaves_routers_and_whole_weights_alone(name, targets):
    _, trained = tuned(debug(name), targets=targets)
    assert trained and all(".lora_" in key for key in trained)
    assert not [key for key in trained if ".mlp.gate." in key]


@pytest.mark.parametrize("name", MIXTURES)
def test_a_router_by_name_is_refused(name):
    """transformers' routers are no linear layers, so nothing can put LoRA on one."""
    with pytest.raises(SpecError, match=r"no linear module mlp\.gate"):
        tuned(debug(name), targets="q_proj, mlp.gate")


@pytest.mark.parametrize("name", MIXTURES)
def test_experts_are_trained_saved_reloaded_and_merged(name, tmp_path):
    made = debug(name)
    checkpoint.export(made, name, tmp_path / "base")
    model, trained = tuned(made, experts=True)
    experts = [key for key in trained if ".mlp.experts." in key]
    layers = {key.split(".layers.")[1].split(".")[0] for key in experts}
    assert len(experts) == 4 * len(layers), "two parameters a layer, two matrices each"
    ids = torch.randint(16, (4, 12), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
    for _ in range(2):
        lost = training_loss(
            build_objective(MDLMObjective()),
            model,
            ids,
            torch.ones_like(ids, dtype=torch.bool),
            mask_id=made.config.mask_token_id,
            generator=torch.Generator().manual_seed(1),
        )
        optimizer.zero_grad()
        lost.loss.backward()
        optimizer.step()
    moved = [key for key, p in model.named_parameters() if key in experts and "lora_B" in key and p.any()]
    assert len(moved) == 2 * len(layers)
    with torch.no_grad():
        expected = model.eval()(ids[:1], use_cache=False).logits
    model.save_pretrained(tmp_path / "adapter")
    spec = ConvertSpec(source=str(tmp_path / "adapter"), lora_base=str(tmp_path / "base"))
    convert(spec, tmp_path / "merged", lambda *_: None)
    with torch.no_grad():
        merged = checkpoint.load(tmp_path / "merged").model(ids[:1], use_cache=False).logits
    assert (merged - expected).abs().max() < 1e-5


def test_experts_are_refused_where_there_are_none_and_with_dropout():
    with pytest.raises(SpecError, match="the model has no experts"):
        tuned(debug("llada"), experts=True)
    with pytest.raises(SpecError, match="experts cannot be trained with dropout"):
        TuningSpec.parse({"experts": True, "dropout": 0.1})
