"""New models, their tokenizers, and LoRA on them."""

import pytest
import torch
from peft import PeftModel

from jobs.diffusion.objectives import build_objective, training_loss
from jobs.models import adapters, checkpoint
from jobs.models.bidirectional import later_token_matters
from jobs.models.create import create
from jobs.models.tokenizers import character_tokenizer, load_tokenizer
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.diffusion_config import GridShape
from jobs.specs.job import NewModelSpec, TuningSpec
from jobs.specs.objective import MDLMObjective

LLAMA = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "initializer_range": 0.1, "tie_word_embeddings": False}
QWEN = {**LLAMA, "num_key_value_heads": 2}
SUDOKU = GridShape(rows=6, columns=6, box_rows=2, box_columns=3)


def spec(architecture="llama", config=LLAMA, tokenizer="characters:123456", **options) -> NewModelSpec:
    return NewModelSpec(architecture=architecture, config=config, tokenizer=tokenizer, **options)


def test_the_seed_decides_the_weights():
    one, two, other = create(spec(), 1), create(spec(), 1), create(spec(), 2)
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True))
    assert not torch.equal(one.model.lm_head.weight, other.model.lm_head.weight)
    before = torch.get_rng_state()
    create(spec(), 3)
    assert torch.equal(before, torch.get_rng_state()), "others' random numbers are left alone"


@pytest.mark.parametrize(
    ("architecture", "config"), [("gpt2", GPT2), ("llama", LLAMA), ("qwen2", QWEN), ("qwen3", QWEN)]
)
def test_new_models_are_bidirectional_and_survive_the_disk(architecture, config, tmp_path):
    new = create(spec(architecture, config), 0)
    assert later_token_matters(new.model, 6)
    assert new.model.config.vocab_size == 9 and new.config.mask_token_id == 8
    checkpoint.save(new.model, new.tokenizer, new.config, tmp_path / "m")
    again = checkpoint.load(tmp_path / "m")
    assert later_token_matters(again.model, 6)
    assert again.tokenizer.encode("3164") == [2, 0, 5, 3]
    assert again.tokenizer.decode([2, 0, 5, 3]) == "3164"


def test_a_grid_starts_with_its_geometry():
    """Cells of a row share one vector, of a column another, of a box a third; there is nothing else."""
    grid = create(spec("gpt2", GPT2, grid=SUDOKU), 0)
    table = grid.model.transformer.wpe.weight.detach().reshape(6, 6, 16)
    assert grid.config.task == "grid" and grid.model.config.n_positions == 36
    # inside one box of 2 x 3: moving along a column is the same move in every column
    assert torch.allclose(table[0, 0] - table[1, 0], table[0, 2] - table[1, 2], atol=1e-5)
    # two boxes side by side differ, over the same two rows, by the same rows and other columns and boxes
    assert torch.allclose(table[0, 0] - table[1, 0], table[0, 5] - table[1, 5], atol=1e-5)
    # across boxes downwards the box vector enters
    assert not torch.allclose(table[1, 0] - table[2, 0], table[1, 5] - table[2, 5], atol=1e-2)
    assert 1.2 < table.std() < 2.2  # three N(0, 1): sqrt(3)
    assert 0.7 < grid.model.transformer.wte.weight.std() < 1.3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (spec("lama"), "Did you mean 'llama'"),
        (spec("bert"), "no causal language model"),
        (spec(config={**LLAMA, "hiden_size": 4}), "Did you mean 'hidden_size'"),
        (spec(config={**LLAMA, "vocab_size": 4}), "set by the tokenizer"),
        (spec(config={**LLAMA, "num_attention_heads": 3}), "config of llama"),
        (spec(grid=SUDOKU), "grid needs architecture gpt2"),
        (spec("gpt2", {**GPT2, "n_positions": 20}, grid=SUDOKU), "the grid has 36 cells"),
        (spec(tokenizer="characters:"), "lists no characters"),
        (spec(tokenizer="characters:1213"), "'1' more than once"),
    ],
)
def test_wrong_specs_are_explained(given, words):
    with pytest.raises(SpecError, match=words):
        create(given, 0)


def test_a_tokenizer_folder_that_is_none(tmp_path):
    with pytest.raises(ModelError, match="has no tokenizer"):
        load_tokenizer(tmp_path)


def test_one_token_a_character():
    tokenizer = character_tokenizer("ab \n")
    assert tokenizer.encode("b a\n") == [1, 2, 0, 3]
    assert tokenizer.decode([1, 2, 0, 3]) == "b a\n"
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.mask_token_id) == (4, 5, 6)
    with pytest.raises(Exception, match="UNK"):
        tokenizer.encode("z")


@pytest.mark.parametrize(
    ("architecture", "config", "targets"), [("llama", LLAMA, "q_proj, v_proj"), ("gpt2", GPT2, "all-linear")]
)
def test_lora_trains_little_and_merges_to_the_same_outputs(architecture, config, targets):
    new = create(spec(architecture, config), 0)
    torch.manual_seed(0)  # peft draws one half of the matrices, GPT-2 drops activations
    tuned = adapters.add_lora(new.model, TuningSpec(method="lora", rank=2, targets=targets))
    assert isinstance(tuned, PeftModel)
    trained = [name for name, p in tuned.named_parameters() if p.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    ids = torch.randint(6, (4, 12), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD((p for p in tuned.parameters() if p.requires_grad), lr=1.0)
    objective = build_objective(MDLMObjective())
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        lost = training_loss(
            objective, tuned, ids, torch.ones_like(ids, dtype=torch.bool), mask_id=8, generator=generator
        )
        lost.loss.backward()
        optimizer.step()
    tuned.eval()
    with torch.no_grad():
        before = tuned(input_ids=ids).logits
        plain = adapters.merge(tuned)
        assert torch.allclose(plain(ids).logits, before, atol=1e-5)
    assert plain.config.is_causal is False and later_token_matters(plain, 6)
    assert not any("lora" in name for name, _ in plain.named_parameters())


def test_lora_names_the_modules_there_are():
    with pytest.raises(SpecError, match=r"no linear module query; it has .*q_proj"):
        adapters.add_lora(create(spec(), 0).model, TuningSpec(method="lora", targets="query"))


@pytest.mark.parametrize(
    ("family", "size"), [("llada", {"d_model": 64}), ("sedd", {"model": {"hidden_size": 64}})]
)
def test_a_family_starts_anew_in_its_debug_size_or_another(family, size):
    small = create(NewModelSpec(family=family, tokenizer="characters:abc"), 0)
    wide = create(NewModelSpec(family=family, tokenizer="characters:abc", config=size, note="Wide."), 0)
    assert (small.model.config.hidden_size, wide.model.config.hidden_size) == (32, 64)
    assert (wide.config.family, wide.config.objective, wide.config.note) == (family, family, "Wide.")
    assert later_token_matters(wide.model, 3)


def test_a_wrong_size_of_a_family_names_the_right_ones():
    with pytest.raises(SpecError, match="no key 'hidden_size'; its sizes are .*d_model"):
        create(NewModelSpec(family="llada", tokenizer="characters:abc", config={"hidden_size": 64}), 0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give either architecture .* or family"),
        ({"architecture": "gpt2", "family": "llada"}, "give either architecture .* or family"),
        ({"family": "lada"}, "no family 'lada'"),
        ({"family": "diffusion_gemma"}, "no family 'diffusion_gemma' to start anew"),
        ({"family": "diffugpt", "grid": SUDOKU}, "grid needs architecture gpt2"),
    ],
)
def test_a_new_model_has_one_kind(given, words):
    with pytest.raises(SpecError, match=words):
        NewModelSpec.parse({"tokenizer": "characters:abc", **given})
