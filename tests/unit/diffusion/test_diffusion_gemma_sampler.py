"""DiffusionGemma's canvases: the same tokens as transformers' generate(), seen step by step."""

import itertools

import pytest
import torch
from transformers import LogitsProcessorList, SuppressTokensLogitsProcessor
from transformers.models.diffusion_gemma.generation_diffusion_gemma import EntropyBoundSamplerConfig

from jobs.diffusion.samplers import Draws, Start, Step
from jobs.diffusion.samplers.diffusion_gemma import CanvasStep, Encoder, Facts, Refining, within_bound
from jobs.diffusion.stream import Trajectory
from jobs.diffusion.unmask import unmask
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import SpecError
from jobs.protocol.trajectory import canvas_after, encode
from jobs.specs.samplers import DiffusionGemmaSampler as Options
from jobs.specs.samplers import LLaDASampler

pytestmark = pytest.mark.thorough

LONGEST = 24  # three canvases
OPTIONS = {
    "published": Options(),
    "early": Options(confidence_threshold=1.8, entropy_bound=3.0, steps=20),
    "at once": Options(confidence_threshold=5.0, stability_threshold=0, t_max=1.5, t_min=1.0),
    "twice stable": Options(confidence_threshold=5.0, stability_threshold=2, entropy_bound=6.0),
}


@pytest.fixture(scope="module")
def made():
    """The debug model, made surer of itself so that canvases can be done before the last step."""
    found = debug_checkpoint("diffusion_gemma", character_tokenizer("abcdefghij"))
    with torch.no_grad():
        found.model.model.decoder.embed_tokens.weight.mul_(16)
    found.model.generation_config.eos_token_id = [found.eos_id, 3]
    found.model.generation_config.pad_token_id = found.pad_id
    return found


def prompts(padded: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
    ids = torch.tensor([[0, 1, 2, 4, 4], [5, 6, 7, 8, 9], [1, 1, 1, 1, 1]])
    return ids, torch.tensor([[0, 0, 1, 1, 1], [1] * 5, [1] * 5]) if padded else None


def start(made, padded: bool = False, seed: int = 0, length: int = LONGEST, details: bool = False) -> Start:
    ids, mask = prompts(padded)
    tail = torch.full((len(ids), length), made.config.mask_token_id)
    if mask is not None:
        mask = torch.cat([mask, torch.ones_like(tail)], 1)
    draws = Draws(torch.Generator().manual_seed(seed))
    return Start(torch.cat([ids, tail], 1), made.config, mask, draws, made.eos_id, want_details=details)


def denoise(made, begin: Start, options: Options) -> list[Step]:
    return list(unmask(made.denoiser(), begin, options))


@torch.no_grad()
def first_canvas(made, options: Options) -> list[CanvasStep]:
    encoder = Encoder(*prompts(False))
    encoder.read(made.model)
    facts, generator = Facts.of(made.model, start(made)), torch.Generator().manual_seed(0)
    refining = Refining(facts, 3, options, generator, (made.config.mask_token_id,))
    steps = []
    while not refining.ended:
        steps.append(refining.step(encoder.logits(made.model, refining.canvas, refining.previous)))
    return steps


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_the_tokens_are_those_of_generate(name, padded, seed, made):
    options, (ids, mask) = OPTIONS[name], prompts(padded)
    same = ("t_max", "t_min", "stability_threshold", "confidence_threshold")
    settings = {key: getattr(options, key) for key in same} | {"max_denoising_steps": options.steps}
    settings["sampler_config"] = EntropyBoundSamplerConfig(options.entropy_bound)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        given: dict = {} if mask is None else {"attention_mask": mask}
        # ours never writes the mask token, which marks the places to write; so neither may generate()
        no_mask = LogitsProcessorList([SuppressTokensLogitsProcessor([made.config.mask_token_id])])
        given["logits_processor"] = no_mask
        expected = made.model.generate(ids, max_new_tokens=LONGEST, **settings, **given).sequences
    last = denoise(made, start(made, padded, seed), options)[-1]
    assert torch.equal(last.ids[:, : expected.shape[1]], expected)
    assert (last.ids[:, expected.shape[1] :] == made.pad_id).all()


def test_these_settings_tell_the_early_ways_out_apart(made):
    """Otherwise the test above would not see whether a row is done before the others."""
    steps = {name: first_canvas(made, options) for name, options in OPTIONS.items()}
    assert len(steps["published"]) == 48 and len(steps["at once"]) == 1
    assert 3 <= len(steps["early"]) < 20 and 3 <= len(steps["twice stable"]) < 48
    running = [int(step.running.sum()) for step in steps["early"]]
    assert running == sorted(running, reverse=True) and len(set(running)) > 1, "rows are done at other times"
    assert denoise(made, start(made), Options())[-1].block == 2, "some text goes on to the end"


@pytest.mark.parametrize("name", OPTIONS)
def test_the_steps_tell_everything_that_changes(name, made):
    begin = start(made, details=True)
    ids = begin.ids
    for number, step in enumerate(denoise(made, begin, OPTIONS[name])):
        assert isinstance(step, Step) and step.index == number
        told = [step.revealed, step.edited, step.remasked, step.closed]
        told = torch.stack([t if t is not None else torch.zeros_like(step.revealed) for t in told])
        assert told.sum(0).max() <= 1, "one thing happens at a place"
        assert torch.equal(told.any(0), step.ids != ids)
        assert (ids[step.revealed] == begin.mask_id).all()
        assert step.remasked is None or (step.ids[step.remasked] == begin.mask_id).all()
        assert ((step.probability > 0) == step.written).all()
        if step.candidate_ids is not None:
            assert len(step.candidate_ids) == step.written.sum()
        ids = step.ids
    assert not (ids == begin.mask_id).any()
    assert torch.equal(ids[:, :5], begin.ids[:, :5])


def test_noise_is_drawn_anew_and_only_accepted_tokens_stay(made):
    steps = first_canvas(made, Options())
    for one, two in itertools.pairwise(steps):
        assert torch.equal(one.after, two.before)
    assert all(step.accepted.any(1).all() for step in steps), "the surest token is always taken"
    assert len(steps) == 48


@pytest.mark.parametrize(
    ("bound", "accepted"),
    [
        (0.05, [False, True, False, False]),  # the surest is free
        (0.1, [False, True, True, False]),
        (0.3, [False, True, True, True]),
        (0.8, [True, True, True, True]),
    ],
)
def test_the_bound_on_entropies(bound, accepted):
    """A token is taken while those surer than it have no more than the bound together."""
    assert within_bound(torch.tensor([[2.0, 0.1, 0.2, 0.5]]), bound + 1e-6).tolist() == [accepted]


def test_a_canvas_longer_than_asked_is_cut(made):
    whole = denoise(made, start(made), OPTIONS["at once"])[-1].ids
    cut = denoise(made, start(made, length=11), OPTIONS["at once"])[-1].ids
    assert torch.equal(cut, whole[:, : 5 + 11])


@pytest.mark.parametrize("ids", [[[12, 0, 12]], [[12, 12]], [[0, 12, 1]], [[0, 12], [12, 12]]])
def test_gaps_and_empty_prompts_are_refused(ids, made):
    mask = made.config.mask_token_id
    given = torch.tensor(ids).masked_fill(torch.tensor(ids) == 12, mask)
    with pytest.raises(SpecError, match="writes after a prompt only"):
        denoise(made, Start(given, made.config), Options())


def test_a_trajectory_shows_it(made):
    """Its lines rebuild each row's canvas after every step; tokens are revealed, edited and taken back."""
    begin = start(made, details=True)
    steps = denoise(made, begin, Options(entropy_bound=1.0))
    events = set()
    for row in range(len(begin.ids)):
        head = {"request": "r-1", "model": "m", "sampler": {}, "seed": 0, "prompt": "p", "prompt_length": 5}
        story = Trajectory(made.tokenizer, made.config, begin.ids, **head, row=row)
        lines = [story.start()]
        for step in steps:
            line = story.step(step)
            lines += [line] if line is not None else []
            assert canvas_after(lines) == step.ids[row].tolist()
        assert lines[-1]["masked"] == 0 and all(encode(line) for line in lines)
        events |= {delta[4] for line in lines[1:] for delta in line["deltas"]}
    assert events == {"revealed", "edited", "remasked", "closed"}


def test_each_denoising_step_is_a_pass_and_it_stops_between_two(made):
    steps = denoise(made, start(made), Options(steps=6))
    canvases = steps[-1].block + 1
    assert {step.nfe for step in steps} == set(range(1, 6 * canvases + 1)) and canvases > 1
    asked = iter([False] * 4)
    begun = list(unmask(made.denoiser(), start(made), Options(steps=6), lambda: next(asked, True)))
    assert [step.nfe for step in begun] == [1, 2], (
        "the first two looks told what the model is and read the text"
    )


def test_a_sampler_of_masks_is_refused_by_name(made):
    with pytest.raises(SpecError, match="Use diffusion_gemma"):
        denoise(made, start(made), LLaDASampler())  # type: ignore[arg-type]
