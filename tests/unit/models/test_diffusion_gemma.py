"""DiffusionGemma as a family: each part looks the way it was published to, and nothing else is done."""

import pytest
import torch
import transformers.integrations.flash_attention as flash
from transformers import DiffusionGemmaForBlockDiffusion

from jobs.models import checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.source import read_config
from jobs.models.tokenizers import character_tokenizer
from jobs.programs.train import load_model
from jobs.protocol.errors import SpecError
from jobs.protocol.folder import write_json
from jobs.specs.job import TrainSpec


@pytest.fixture
def made() -> checkpoint.Checkpoint:
    return debug_checkpoint("diffusion_gemma", character_tokenizer("abcdefghij"))


@torch.no_grad()
def moved(made, ids: list[int], canvas: list[int], at: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which encoder outputs and which canvas logits change with position `at` of the two joined."""
    both = torch.tensor([ids + canvas])
    other = both.clone()
    other[0, at] = (other[0, at] + 1) % 10
    first, second = (
        made.model(input_ids=row[:, : len(ids)], decoder_input_ids=row[:, len(ids) :])
        for row in (both, other)
    )
    text = (first.encoder_last_hidden_state - second.encoder_last_hidden_state).abs().amax(-1)[0] > 0
    return text, (first.logits - second.logits).abs().amax(-1)[0] > 0


def test_the_text_is_read_forwards_and_the_canvas_both_ways(made):
    ids, canvas = list(range(6)), [9, 8, 7, 6, 5, 4, 3, 2]
    text, written = moved(made, ids, canvas, 3)
    assert text.tolist() == [False] * 3 + [True] * 3, "the encoder is causal"
    assert written.all(), "the canvas sees the text"
    for at in (6, 13):
        text, written = moved(made, ids, canvas, at)
        assert not text.any() and written.all(), (
            "the canvas sees itself both ways, and is not seen by the text"
        )


def test_flash_attention_would_be_told_the_directions(made, monkeypatch):
    told = []

    def spy(query, key, value, mask, *, is_causal, **_):
        told.append(is_causal)
        return query

    monkeypatch.setattr(flash, "_flash_attention_forward", spy)
    model = made.model.to(torch.bfloat16)
    model.config._attn_implementation = "flash_attention_2"
    with torch.no_grad():
        model(input_ids=torch.arange(8)[None])
    assert told == [True, True, False, False], "encoder, then decoder"


@pytest.mark.parametrize("official", [True, False])
def test_a_folder_gives_the_same_canvases(official, made, tmp_path):
    folder = tmp_path / "model"
    if official:
        checkpoint.export(made, "diffusion_gemma", folder)
    else:
        checkpoint.save(made.model, made.tokenizer, made.config, folder)
    loaded = checkpoint.load(folder)
    assert type(loaded.model) is DiffusionGemmaForBlockDiffusion and loaded.config.noise == "uniform"
    ids, canvas = torch.arange(6)[None], torch.arange(8)[None]
    with torch.no_grad():
        before, after = (
            model(input_ids=ids, decoder_input_ids=canvas).logits for model in (made.model, loaded.model)
        )
    assert torch.equal(before, after)


def test_a_published_folder_is_read_as_it_is(made, tmp_path):
    """Written by transformers itself, with no key of ours; the mask token is Gemma's."""
    made.model.save_pretrained(tmp_path / "hub")
    raw = read_config(tmp_path / "hub")
    write_json(tmp_path / "hub" / "config.json", {k: v for k, v in raw.items() if k != "mask_token_id"})
    loaded = checkpoint.load(tmp_path / "hub")
    assert loaded.config.family == "diffusion_gemma" and loaded.config.mask_token_id == 4
    assert loaded.model.config.text_config.sliding_window == made.model.config.text_config.sliding_window
    assert loaded.config.sliding_window == "keep", "its own windows are not opened"
    before, after = made.model.state_dict(), loaded.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_it_is_not_taken_for_a_model_of_masks(made):
    ids = torch.arange(4)[None]
    denoiser = made.denoiser()
    for ask in (lambda: denoiser(ids), lambda: denoiser.selected(ids, None, ids > 0)):
        with pytest.raises(SpecError, match=r"fills no masks: .* \(diffusion_gemma\)"):
            ask()


@pytest.mark.parametrize("official", [True, False])
def test_training_is_refused_before_the_weights_are_read(official, made, tmp_path):
    folder = tmp_path / "model"
    if official:
        checkpoint.export(made, "diffusion_gemma", folder)
    else:
        checkpoint.save(made.model, made.tokenizer, made.config, folder)
    file = folder / "model.safetensors"
    header = int.from_bytes(file.read_bytes()[:8], "little")
    file.write_bytes(file.read_bytes()[: 8 + header] + bytes(file.stat().st_size - 8 - header))
    spec = TrainSpec.parse({"kind": "train", "model": {"path": str(folder)}, "data": {"path": "d.jsonl"}})
    with pytest.raises(SpecError, match=r"DiffusionGemma cannot be trained here: .*NeMo AutoModel"):
        load_model(spec)
