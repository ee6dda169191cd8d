"""Samplers on a vision model: the pictures count, and no token for a picture is ever written."""

import pytest
import torch
from PIL import Image

from jobs.data.images import PictureReader
from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.seeing import Seeing
from jobs.diffusion.unmask import unmask
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.specs.samplers import LLaDASampler

MASKS = 8


@pytest.fixture(scope="module")
def made():
    return debug_checkpoint("qwen3_vl", character_tokenizer("abcdefghij"))


@pytest.fixture
def canvas(made, tmp_path) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """(ids, attention mask, inputs) of two rows with a picture each, the second padded on the left."""
    Image.effect_noise((24, 16), 90).convert("RGB").save(tmp_path / "a.png")  # 6 tokens
    Image.effect_noise((16, 16), 90).convert("RGB").save(tmp_path / "b.png")  # 4 tokens
    image, mask = made.model.config.image_token_id, made.config.mask_token_id
    rows = [[1, *[image] * 6, 2, *[mask] * MASKS], [made.pad_id] * 2 + [1, *[image] * 4, 2, *[mask] * MASKS]]
    ids = torch.tensor(rows)
    seen = torch.ones_like(ids)
    seen[1, :2] = 0
    reader = PictureReader(made.images.processor, image)
    return ids, seen, reader.inputs(ids, [tmp_path / "a.png", tmp_path / "b.png"])


def seeing(made, inputs) -> Denoiser:
    config = made.model.config
    return Denoiser(Seeing(made.model, inputs, (config.image_token_id, config.video_token_id)), made.config)


def test_the_logits_are_the_models_own(made, canvas):
    ids, seen, inputs = canvas
    got = seeing(made, inputs)(ids, seen)
    with torch.no_grad():
        expected = made.model(input_ids=ids, attention_mask=seen, **inputs, use_cache=False).logits
    never = (made.model.config.image_token_id, made.model.config.video_token_id)
    written = [token for token in range(expected.shape[-1]) if token not in never]
    assert torch.allclose(got[..., written], expected[..., written], atol=1e-5)
    other = seeing(made, {**inputs, "pixel_values": -inputs["pixel_values"]})(ids, seen)
    masks = ids == made.config.mask_token_id
    assert (other[masks][:, written] - got[masks][:, written]).abs().amax(-1).min() > 1e-4


@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_a_sampler_fills_the_masks_beside_a_picture(guidance, made, canvas):
    """With guidance the rows stand there twice, once with everything hidden that was given."""
    ids, seen, inputs = canvas
    with torch.no_grad():
        made.model.lm_head.weight[made.model.config.image_token_id] *= 50  # it would win if it could
    options = LLaDASampler(steps=4, max_new_tokens=MASKS, block_size=MASKS, cfg_scale=guidance)
    start = Start(ids, made.config, seen, Draws(torch.Generator().manual_seed(0)))
    *_, last = unmask(seeing(made, inputs), start, options)
    assert not (last.ids == made.config.mask_token_id).any()
    given = ids != made.config.mask_token_id
    assert torch.equal(last.ids[given], ids[given])
    assert not torch.isin(last.ids[~given], torch.tensor([made.model.config.image_token_id])).any()


def test_half_of_the_pictures_is_a_mistake(made, canvas):
    ids, seen, inputs = canvas
    with pytest.raises(ValueError, match="a part of the pictures"):
        seeing(made, inputs)(ids[:1], seen[:1])
