"""Qwen3-VL as a dLLM: its text sees both ways, pictures are seen from both sides, parts can be frozen."""

import itertools

import pytest
import torch
from PIL import Image
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from jobs.data.images import PictureReader
from jobs.diffusion.objectives import build_objective, training_loss
from jobs.models import adapters, checkpoint
from jobs.models.bidirectional import later_token_matters
from jobs.models.convert import convert
from jobs.models.debug import debug_checkpoint
from jobs.models.families import FAMILIES
from jobs.models.freeze import freeze, frozen_names
from jobs.models.images import SETTINGS
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.job import ConvertSpec, TuningSpec
from jobs.specs.objective import MDLMObjective

pytestmark = pytest.mark.thorough

PICTURE_AT = 3  # position of the first image token
ANSWER = 4  # masks after everything else


@pytest.fixture
def made() -> checkpoint.Checkpoint:
    return debug_checkpoint("qwen3_vl", character_tokenizer("abcdefghij"))


@pytest.fixture
def inputs(made, tmp_path) -> dict[str, torch.Tensor]:
    """Three letters, a picture of 2 x 3 tokens, two letters, masks."""
    Image.effect_noise((24, 16), 80).convert("RGB").save(tmp_path / "a.png")
    token = made.model.config.image_token_id
    assert PictureReader(made.images.processor, token).tokens(tmp_path / "a.png", "") == 6
    ids = torch.tensor([[0, 1, 2, *[token] * 6, 3, 4, *[made.config.mask_token_id] * ANSWER]])
    return {"input_ids": ids, **PictureReader(made.images.processor, token).inputs(ids, [tmp_path / "a.png"])}


@torch.no_grad()
def logits(made, inputs, **changes) -> torch.Tensor:
    return made.model(**{**inputs, **changes}, use_cache=False).logits[0]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_every_text_token_moves_every_position(attention, made, inputs):
    made.model.set_attn_implementation(attention)
    before = logits(made, inputs)
    for at in (0, 10, len(before) - 1):
        changed = inputs["input_ids"].clone()
        changed[0, at] = 7
        moved = (logits(made, inputs, input_ids=changed) - before).abs().amax(-1)
        assert (moved > 1e-6).all(), f"token {at} is not seen everywhere"


def test_pictures_are_seen_from_both_sides_and_see_both_sides(made, inputs):
    before = logits(made, inputs)
    other = logits(made, inputs, pixel_values=-inputs["pixel_values"])
    assert ((other - before).abs().amax(-1) > 1e-6).all(), "the words before and after see the picture"
    last = inputs["input_ids"].clone()
    last[0, -1] = 7
    moved = (logits(made, inputs, input_ids=last) - before).abs().amax(-1)
    assert (moved[PICTURE_AT : PICTURE_AT + 6] > 1e-6).all(), "the picture sees the words after it"


def test_masks_beside_a_picture_get_logits(made, inputs):
    """What a sampler asks for: the outputs at the masks alone, the same as among all."""
    masked = inputs["input_ids"] == made.config.mask_token_id
    with torch.no_grad():
        kept = made.model(**inputs, logits_to_keep=masked, use_cache=False).logits
    assert torch.allclose(kept, logits(made, inputs)[masked[0]], atol=1e-5)


def test_padding_does_not_change_a_row_with_a_picture(made, inputs):
    padded = {
        "input_ids": torch.nn.functional.pad(inputs["input_ids"], (3, 0), value=made.pad_id),
        "mm_token_type_ids": torch.nn.functional.pad(inputs["mm_token_type_ids"], (3, 0)),
        "attention_mask": torch.tensor([[0] * 3 + [1] * inputs["input_ids"].shape[1]]),
    }
    assert torch.allclose(logits(made, inputs, **padded)[3:], logits(made, inputs), atol=1e-5)


def one_step(made, inputs, model) -> dict[str, torch.Tensor]:
    """The parameters that one step of training moved: name -> new value."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    ids = inputs["input_ids"].masked_fill(inputs["input_ids"] == made.config.mask_token_id, 5)
    lost = training_loss(
        build_objective(MDLMObjective()),
        model,
        ids,
        ids == 5,
        mask_id=made.config.mask_token_id,
        prompt_lengths=torch.tensor([11]),
        extra={name: inputs[name] for name in inputs if name != "input_ids"},
        generator=torch.Generator().manual_seed(0),
    )
    lost.loss.backward()
    assert lost.level_count.sum() <= ANSWER, "image tokens have no loss"
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1).step()
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}


def part_of(name: str) -> str:
    if ".visual." not in name:
        return "text"
    return "merger" if "merger" in name else "vision"


@pytest.mark.parametrize(
    ("asked", "trained"),
    [
        (None, {"text", "merger"}),
        ("vision, merger", {"text"}),
        ("merger", {"text", "vision"}),
        ("nothing", {"text", "vision", "merger"}),
    ],
)
def test_frozen_parts_do_not_move(asked, trained, made, inputs):
    freeze(made.model, frozen_names(made.config, asked))
    assert {part_of(name) for name in one_step(made, inputs, made.model)} == trained


@pytest.mark.parametrize(("asked", "parts"), [(None, {"text", "merger"}), ("vision, merger", {"text"})])
def test_lora_leaves_frozen_parts_alone(asked, parts, made, inputs):
    frozen = frozen_names(made.config, asked)
    model = adapters.add_lora(made.model, TuningSpec(method="lora", rank=2, targets="all-linear"), frozen)
    moved = one_step(made, inputs, model)
    assert all("lora_" in name for name in moved)
    assert {part_of(name) for name in moved} == parts


def test_an_unknown_part_is_named(made):
    with pytest.raises(SpecError, match=r"Qwen3-VL has no part 'text'; known: merger, vision, nothing"):
        frozen_names(made.config, "text")


@pytest.mark.parametrize("official", [True, False])
def test_the_processor_travels_with_the_weights(official, made, inputs, tmp_path):
    folder = tmp_path / "model"
    if official:
        checkpoint.export(made, "qwen3_vl", folder)
    else:
        checkpoint.save(made.model, made.tokenizer, made.config, folder, made.images)
    loaded = checkpoint.load(folder)
    assert loaded.images.files == made.images.files
    reader = PictureReader(loaded.images.processor, loaded.model.config.image_token_id)
    again = reader.inputs(inputs["input_ids"], [tmp_path / "a.png"])
    assert all(torch.equal(again[name], inputs[name]) for name in again)
    assert torch.equal(logits(loaded, inputs), logits(made, inputs))


def test_an_unknown_processor_is_named(made, tmp_path):
    checkpoint.export(made, "qwen3_vl", tmp_path / "model")
    file = tmp_path / "model" / SETTINGS
    file.write_text(file.read_text().replace("Qwen2VLImageProcessor", "CLIPImageProcessor"))
    with pytest.raises(ModelError, match="CLIPImageProcessor cannot be used"):
        checkpoint.load(tmp_path / "model")


def test_positions_of_a_picture_have_three_axes(made, inputs):
    """A 2 x 3 picture after three letters: rows and columns count from 3, the text goes on after both."""
    position_ids, _ = made.model.model.get_rope_index(
        inputs["input_ids"], inputs["mm_token_type_ids"], inputs["image_grid_thw"]
    )
    height, width = zip(*itertools.product((3, 4), (3, 4, 5)), strict=True)
    assert position_ids[0, 0].tolist() == [0, 1, 2, *[3] * 6, *range(6, 12)]
    assert position_ids[1, 0, 3:9].tolist() == list(height)
    assert position_ids[2, 0, 3:9].tolist() == list(width)


@pytest.fixture
def causal(made, tmp_path):
    """A folder as on the Hub: causal, with a tokenizer that has no mask token, and the processor's files."""
    folder = tmp_path / "hub"
    raw = FAMILIES["qwen3_vl"].official_config(made.model.config, made.config)
    raw.pop("mask_token_id")
    torch.manual_seed(0)
    Qwen3VLForConditionalGeneration(Qwen3VLConfig.from_dict(raw)).save_pretrained(folder)
    plain = character_tokenizer("abcdefghij")
    plain.mask_token = None
    plain.add_tokens(list(FAMILIES["qwen3_vl"].special_tokens), special_tokens=True)
    plain.save_pretrained(folder)
    made.images.save(folder)
    (folder / "video_preprocessor_config.json").write_text('{"fps": 2}')
    return folder


@pytest.mark.parametrize("target", ["studio", "official"])
def test_a_causal_model_with_eyes_becomes_a_dllm(target, causal, tmp_path):
    before = Qwen3VLForConditionalGeneration.from_pretrained(causal)
    assert not later_token_matters(before, 10)
    config = convert(ConvertSpec(source=str(causal), target=target), tmp_path / "out", lambda *_: None)
    assert config.family == "qwen3_vl"
    loaded = checkpoint.load(tmp_path / "out")
    assert later_token_matters(loaded.model, 10) and loaded.config.family == "qwen3_vl"
    assert loaded.tokenizer.mask_token == "<|mask|>"
    assert loaded.tokenizer.mask_token_id == loaded.config.mask_token_id
    assert set(loaded.images.files) == {SETTINGS, "video_preprocessor_config.json"}
    after = loaded.model.state_dict()
    for name, tensor in before.state_dict().items():
        assert torch.equal(after[name][: len(tensor)], tensor), name


@pytest.mark.parametrize("target", ["studio", "official"])
def test_a_dllm_with_eyes_goes_into_the_other_format(target, made, inputs, tmp_path):
    """Every file of the processor and the tokenizer, bit by bit."""
    if target == "official":
        checkpoint.save(made.model, made.tokenizer, made.config, tmp_path / "in", made.images)
    else:
        checkpoint.export(made, "qwen3_vl", tmp_path / "in")
    (tmp_path / "in" / "generation_config.json").write_text('{"temperature": 0.5}')
    convert(ConvertSpec(source=str(tmp_path / "in"), target=target), tmp_path / "out", lambda *_: None)
    loaded = checkpoint.load(tmp_path / "out")
    assert torch.equal(logits(loaded, inputs), logits(made, inputs))
    for name in (SETTINGS, "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()
