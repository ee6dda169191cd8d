"""What every family must keep, over each entry of FAMILIES. A new entry is tested by being named."""

import json

import pytest
import torch
import transformers.integrations.flash_attention as flash

from jobs.diffusion.objectives import build_objective, training_loss
from jobs.diffusion.samplers import Start
from jobs.diffusion.unmask import unmask
from jobs.models import checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.families import FAMILIES, detect
from jobs.models.layout import atoms
from jobs.models.source import read_config
from jobs.models.tokenizers import character_tokenizer
from jobs.models.weights import tensor_names
from jobs.specs.families import FAMILIES as TABLE
from jobs.specs.objective import OBJECTIVES, MDLMObjective
from jobs.specs.samplers import LLaDASampler

MASKED = [name for name, info in TABLE.items() if info.noise == "mask"]
"""Families whose text is masks and sees both ways; the others have a canvas and a class of their own."""
LAYOUTS = [(name, layout) for name, family in FAMILIES.items() for layout in family.layouts]


@pytest.fixture(scope="module")
def debug():
    """debug(name) -> the family's debug checkpoint. Do not change it."""
    made: dict[str, checkpoint.Checkpoint] = {}

    def make(name: str) -> checkpoint.Checkpoint:
        if name not in made:
            made[name] = debug_checkpoint(name, character_tokenizer("abcdefghijklmnop"))
        return made[name]

    return make


def test_the_light_table_has_the_same_families():
    assert set(TABLE) == set(FAMILIES)
    assert all(name == family.name == TABLE[name].name for name, family in FAMILIES.items())
    assert all(bool(family.debug_images) == TABLE[name].sees_images for name, family in FAMILIES.items())


@pytest.mark.parametrize("name", [name for name in TABLE if TABLE[name].objective in OBJECTIVES])
def test_the_light_table_knows_what_a_family_was_trained_with(name):
    family, info = FAMILIES[name], TABLE[name]
    for raw in (family.debug, {**family.debug, "block_size": 16}):
        traits = family.traits(raw)
        assert info.training(raw) == (traits["objective"], traits.get("block_size"))
    assert info.shifted == traits.get("shifted_logits", False)


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_a_family_reads_what_it_writes_and_nobody_else_claims_it(name, layout, debug, tmp_path):
    made = debug(name)
    folder = tmp_path / "official"
    checkpoint.export(made, name, folder, layout)
    raw, names = read_config(folder), tensor_names(folder)
    told = [other.name for other in FAMILIES.values() if other.claims(raw, names)]
    assert told == [name] or (told == [] and (name, layout) == ("diffullama", "plain"))
    assert FAMILIES[name].layout_of(names) == layout
    loaded = checkpoint.load(folder, family=name)
    assert (getattr(loaded.model.config, "is_causal", None) is False) == (name in MASKED)
    assert loaded.config.model_dump(exclude={"source"}) == made.config.model_dump(exclude={"source"})
    expected, got = atoms(made.model), atoms(loaded.model)
    assert expected.keys() == got.keys()
    assert all(torch.equal(tensor, got[key]) for key, tensor in expected.items())


@pytest.mark.parametrize("name", FAMILIES)
def test_our_own_folder_of_a_family_gives_the_same_tensors(name, debug, tmp_path):
    made = debug(name)
    checkpoint.save(made.model, made.tokenizer, made.config, tmp_path / "own")
    loaded = checkpoint.load(tmp_path / "own")
    assert loaded.config == made.config and type(loaded.model) is type(made.model)
    expected, got = atoms(made.model), atoms(loaded.model)
    assert expected.keys() == got.keys()
    assert all(torch.equal(tensor, got[key]) for key, tensor in expected.items())


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_unread_it_has_the_parts_that_it_has_when_read(name, dtype, debug, tmp_path):
    """A process that is sent the weights builds this, and gets rank 0's number formats and buffers."""
    folder = tmp_path / "official"
    checkpoint.export(debug(name), name, folder)
    read, unread = (
        checkpoint.load(folder, dtype=dtype, family=name, weights=weights).model for weights in (True, False)
    )
    for kind in ("named_parameters", "named_buffers"):
        parts = [{n: (tuple(t.shape), t.dtype) for n, t in getattr(m, kind)()} for m in (read, unread)]
        assert parts[0] == parts[1]
    ties = [len(list(model.parameters())) == len(model.state_dict()) for model in (read, unread)]
    assert ties[0] == ties[1] and read.training == unread.training


@pytest.mark.parametrize("name", FAMILIES)
def test_the_config_survives_the_official_format(name, debug):
    family, made = FAMILIES[name], debug(name)
    raw = family.official_config(made.model.config, made.config)
    json.dumps(raw)  # plain values only
    again = family.stock_config(raw)
    assert (getattr(again, "is_causal", None) is False) == (name in MASKED)
    before, after = made.model.config.to_dict(), again.to_dict()
    differing = {key for key in before if before[key] != after.get(key)}
    assert differing <= {"architectures", "transformers_version", "dtype", "use_cache"}


@pytest.mark.parametrize("name", MASKED)
def test_a_debug_model_trains_and_samples(name):
    made = debug_checkpoint(name, character_tokenizer("abcdefghijklmnop"))
    mask = made.config.mask_token_id
    ids = torch.randint(16, (8, 12), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(made.model.parameters(), lr=3e-3)
    losses = []
    for _ in range(4):
        generator = torch.Generator().manual_seed(1)  # the same noise: the loss has to fall
        lost = training_loss(
            build_objective(MDLMObjective()),
            made.model,
            ids,
            torch.ones_like(ids, dtype=torch.bool),
            mask_id=mask,
            shifted=made.config.shifted_logits,
            generator=generator,
        )
        optimizer.zero_grad()
        lost.loss.backward()
        optimizer.step()
        losses.append(lost.loss.item())
    assert losses[-1] < losses[0]
    canvas = torch.full((2, 10), mask)
    canvas[:, :3] = ids[:2, :3]
    *_, last = unmask(
        made.denoiser(), Start(canvas, made.config), LLaDASampler(steps=7, max_new_tokens=7, block_size=7)
    )
    assert not (last.ids == mask).any() and torch.equal(last.ids[:, :3], canvas[:, :3])


@pytest.mark.parametrize("name", MASKED)
def test_every_position_is_seen_from_the_first(name, debug):
    """In both directions and over the whole text: no window is left."""
    model = debug(name).model
    ids = torch.randint(16, (1, 48), generator=torch.Generator().manual_seed(2))
    embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
    for position in (0, 47):
        (gradient,) = torch.autograd.grad(
            model(inputs_embeds=embedded, use_cache=False).logits[0, position].square().sum(), embedded
        )
        assert (gradient.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("name", MASKED)
def test_flash_attention_would_be_told_that_it_is_not_causal(name, monkeypatch):
    """Flash kernels are not on every machine, so the call to them is watched instead."""
    told = []

    def spy(query, key, value, mask, *, is_causal, **_):
        told.append(is_causal)
        return query

    monkeypatch.setattr(flash, "_flash_attention_forward", spy)
    model = debug_checkpoint(name, character_tokenizer("abcdefghijklmnop")).model.to(torch.bfloat16)
    model.config._attn_implementation = "flash_attention_2"
    with torch.no_grad():
        model(torch.arange(8)[None], use_cache=False)
    assert told == [False] * model.config.get_text_config().num_hidden_layers


def test_our_own_folders_belong_to_no_official_format(debug, tmp_path):
    made = debug("llada")
    checkpoint.save(made.model, made.tokenizer, made.config, tmp_path / "own")
    assert detect(read_config(tmp_path / "own"), tensor_names(tmp_path / "own")) is None
