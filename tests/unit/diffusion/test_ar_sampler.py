"""A causal model as a lane: its canvas is what its own `generate` writes, a token a pass."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from jobs.diffusion.samplers import SAMPLERS as ENGINE
from jobs.diffusion.samplers import Draws, Forward, Start
from jobs.diffusion.unmask import unmask
from jobs.models import causal
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.programs.asks import Ask
from jobs.programs.generation import make_canvas
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import SAMPLERS, ARSampler
from jobs.specs.samplers.fits import CAUSAL, fitting, misfit

NEW = 12
SAMPLER = ENGINE["ar"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A causal model as transformers writes it."""
    made = causal.as_causal(debug_checkpoint("a2d", character_tokenizer("abcdefghijklmnopqrstuvwxyz")))
    torch.nn.init.normal_(made.model.get_input_embeddings().weight, std=1.0)
    causal.save(made.model, made.tokenizer, path := tmp_path_factory.mktemp("ar") / "model")
    return path


@pytest.fixture(scope="module")
def model(folder):
    return causal.to_write(folder, "float32", "cpu")


def write(model, prompt, **options):
    chosen = ARSampler(max_new_tokens=NEW, **options)
    canvas = make_canvas(Ask("prompt", prompt), model, chosen)
    denoiser = model.denoiser()
    start = Start(
        torch.tensor([canvas.ids]),
        model.config,
        draws=Draws(torch.Generator().manual_seed(0)),
        eos_id=model.eos_id,
        want_details=True,
        new_cache=denoiser.new_cache,
    )
    return canvas, list(unmask(denoiser, start, chosen))


def test_it_writes_what_generate_writes(model, folder):
    canvas, steps = write(model, "abcde", early_exit=False)
    prompt = torch.tensor([canvas.ids[: canvas.prompt_length]])
    own = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    whole = own.generate(prompt, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, eos_token_id=None)
    assert steps[-1].ids.tolist() == whole.tolist()
    assert [step.nfe for step in steps] == list(range(1, NEW + 1))
    assert [int(step.revealed.nonzero()[0, 1]) for step in steps] == list(range(5, 5 + NEW))
    assert not (steps[-1].ids == model.config.mask_token_id).any()


def test_each_pass_is_fed_only_what_is_new():
    config = DiffusionConfig(mask_token_id=9, shifted_logits=True, objective=CAUSAL)
    start = Start(torch.tensor([[1, 2, 9, 9, 9]]), config, new_cache=lambda capacity: "cache")  # type: ignore
    sampler, fed = SAMPLER(start, ARSampler()), []
    said = next(sampler)
    while True:
        if isinstance(said, Forward):
            fed.append((said.feed.start, said.feed.stop, said.ids.shape[1]))
            said = sampler.send(torch.zeros(1, 1, 10))
        else:
            said = next(sampler, None)
        if said is None:
            break
    assert fed == [(0, 2, 2), (2, 3, 3), (3, 4, 4)]


def test_a_draw_depends_on_the_seed_alone_and_the_mask_is_never_drawn(model):
    first, again = (write(model, "abc", temperature=3.0, top_k=20)[1][-1].ids for _ in range(2))
    assert torch.equal(first, again) and not (first == model.config.mask_token_id).any()


def test_a_text_from_nothing_begins_with_the_models_own_first_token(model):
    canvas, _ = write(model, "")
    assert canvas.prompt_length == 1 and canvas.ids[0] in (model.tokenizer.bos_token_id, model.eos_id)


def test_the_first_token_of_a_text_cannot_be_written_by_it():
    config = DiffusionConfig(mask_token_id=9, shifted_logits=True, objective=CAUSAL)
    with pytest.raises(SpecError, match="goes on with a text"):
        next(SAMPLER(Start(torch.tensor([[9, 1, 9]]), config), ARSampler()))


def test_it_fits_causal_models_and_nothing_else_does():
    config = DiffusionConfig(mask_token_id=1, shifted_logits=True, objective=CAUSAL)
    assert fitting(config) == ["ar"]
    assert "writes from left to right" in str(misfit(SAMPLERS["llada"](), config))
    assert "for models trained with ar-sft" in str(misfit(ARSampler(), DiffusionConfig(mask_token_id=1)))
