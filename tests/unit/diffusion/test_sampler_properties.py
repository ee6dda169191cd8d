"""What holds for every sampler, over random settings. A new entry of SAMPLERS is tested by being named."""

import copy
import typing
from typing import Any, Literal

import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from jobs.diffusion import canvas
from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers import SAMPLERS, Draws, Start, Step
from jobs.diffusion.unmask import unmask
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs import samplers as specs
from jobs.specs.samplers import SamplerOptions

from .conftest import EOS, MASK

pytestmark = pytest.mark.thorough

EOT, PAD = 20, 21
MODELS = {
    "plain": {},
    "shifted": {"shifted_logits": True},
    "blocks": {"block_size": 4},
    "shifted blocks": {"block_size": 4, "shifted_logits": True},
    "grid": {"task": "grid"},
    "random tokens": {"kind": "diffusion_gemma", "noise": "uniform", "family": "diffusion_gemma"},
}
WRITES_MASKS = "allow_mask_token"  # the one setting with which a mask in the end may be a word
PATIENCE = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
    ],
)


def values_of(info: FieldInfo, kind: Any = None) -> st.SearchStrategy[Any]:
    """Small values of a setting, within its bounds."""
    kind = kind or info.annotation
    if typing.get_origin(kind) is Literal:
        return st.sampled_from(typing.get_args(kind))
    if kind is bool:
        return st.booleans()
    low = next((m.ge if isinstance(m, Ge) else m.gt for m in info.metadata if isinstance(m, Ge | Gt)), 0)
    high = next((m.le if isinstance(m, Le) else m.lt for m in info.metadata if isinstance(m, Le | Lt)), 2)
    if kind is int:
        return st.integers(int(low), int(low) + 9)
    if kind is float:
        return st.sampled_from([low + share * (min(high, 2) - low) for share in (0.1, 0.5, 0.9)])
    inner = [a for a in typing.get_args(kind) if a is not type(None)]
    if type(None) in typing.get_args(kind) and len(inner) == 1:
        return st.none() | values_of(info, inner[0])
    return st.just(info.get_default(call_default_factory=True))


@st.composite
def options(draw, name: str) -> SamplerOptions:
    """Settings that the spec takes. Sizes fit each other, the rest is free; about half keep the default."""
    spec = specs.SAMPLERS[name]
    block, blocks = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    sizes = {"block_size": block, "max_new_tokens": block * blocks, "steps": blocks * draw(st.integers(1, 8))}
    chosen = {key: value for key, value in sizes.items() if key in spec.model_fields}
    for key, info in spec.model_fields.items():
        if key not in ("name", WRITES_MASKS, *sizes) and draw(st.booleans()):
            chosen[key] = draw(values_of(info))
    try:
        return spec(**chosen)  # type: ignore[return-value]
    except ValidationError:
        assume(False)
        raise


@st.composite
def completions(draw, new: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """One to three prompts of 0 to 6 tokens, padded on the left, and their masks."""
    words = st.lists(st.integers(0, 19), max_size=6)
    return canvas.completion([draw(words) for _ in range(draw(st.integers(1, 3)))], new, MASK, PAD)


def run(denoiser: Denoiser, ids, mask, chosen, seed=0, draws=None, **more) -> list[Step]:
    draws = draws or Draws(torch.Generator().manual_seed(seed))
    start = Start(
        ids,
        denoiser.config,
        mask,
        draws,
        EOS,
        EOT,
        want_details=True,
        new_cache=denoiser.new_cache,
    )
    return list(unmask(denoiser, start, chosen, **more))


def check(steps: list[Step], ids: torch.Tensor, mask: torch.Tensor | None) -> None:
    """Every mask is filled in the end, what was given stays, and each step tells exactly what it changed."""
    open_ = (ids == MASK) if mask is None else (ids == MASK) & (mask == 1)
    before, nfe = ids, 0
    for index, step in enumerate(steps):
        assert step.index == index and step.nfe >= nfe
        after = torch.cat([step.ids, ids[:, step.ids.shape[1] :]], 1)
        told = torch.zeros_like(open_)
        for event in (step.revealed, step.edited, step.remasked, step.closed):
            if event is not None:
                told[:, : event.shape[1]] |= event
        assert torch.equal(told, after != before), "a step tells what it changed"
        assert not (told & ~open_).any(), "what was given is never touched"
        assert ((step.probability >= 0) & (step.probability <= 1 + 1e-6)).all()
        assert step.candidate_ids is None or len(step.candidate_ids) == int(step.written.sum())
        before, nfe = after, step.nfe
    assert not (before[open_] == MASK).any(), "a mask was left"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_any_settings_fill_every_mask(name, model, make):
    @PATIENCE
    @given(data=st.data(), seed=st.integers(0, 3))
    def tried(data, seed):
        chosen = data.draw(options(name))
        ids, mask = data.draw(completions(chosen.max_new_tokens))
        denoiser = make(**MODELS[model])
        try:
            steps = run(denoiser, ids, mask, chosen, seed)
        except SpecError as refusal:
            assert len(str(refusal)) > 20, "a refusal says what to do"
            return
        check(steps, ids, mask)
        again = run(denoiser, ids, mask, chosen, seed)
        assert torch.equal(steps[-1].ids, again[-1].ids), "same seed, same text"

    tried()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_defaults_fill_a_completion_on_some_model(name, make):
    """So that the properties above do not hold by refusing everything."""
    chosen = smallest(name)
    ids, mask = canvas.completion([[1, 2], [3]], 32, MASK, PAD)
    filled = []
    for model, fields in MODELS.items():
        try:
            check(run(make(**fields), ids, mask, chosen), ids, mask)
            filled.append(model)
        except SpecError:
            continue
    assert filled


@pytest.mark.parametrize("name", SAMPLERS)
def test_gaps_between_given_words_are_filled_or_refused(name, make):
    ids = torch.tensor([[1, MASK, MASK, 2, MASK, 3, MASK, MASK]])

    @PATIENCE
    @given(data=st.data(), model=st.sampled_from(list(MODELS)))
    def tried(data, model):
        chosen = data.draw(options(name))
        try:
            steps = run(make(**MODELS[model]), ids, None, chosen)
        except SpecError as refusal:
            assert len(str(refusal)) > 20
            return
        check(steps, ids, None)

    tried()


def smallest(name: str) -> SamplerOptions:
    """The defaults, for 32 new tokens."""
    spec = specs.SAMPLERS[name]
    small = {"max_new_tokens": 32, "block_size": 32}
    return spec(**{key: value for key, value in small.items() if key in spec.model_fields})  # type: ignore[return-value]


class NoDraws(Draws):
    """For settings that must not depend on chance."""

    def uniform(self, *args: Any, **kwargs: Any):
        raise LookupError

    on = uniform


def certain(name: str) -> list[SamplerOptions]:
    """The defaults at a small size, and each choice of a setting changed alone, without temperature."""
    spec = specs.SAMPLERS[name]
    small = {"max_new_tokens": 12, "steps": 6, "block_size": 6, "temperature": 0.0}
    small = {key: value for key, value in small.items() if key in spec.model_fields}
    found = []
    for key, info in spec.model_fields.items():
        choices = typing.get_args(info.annotation) if typing.get_origin(info.annotation) is Literal else ()
        for choice in choices:
            try:
                found.append(spec(**{**small, key: choice}))
            except ValidationError:
                continue
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("model", ["plain", "shifted", "blocks"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_row_of_a_ragged_batch_is_written_as_it_would_be_alone(name, model, make):
    denoiser = make(**MODELS[model])
    prompts = [[1, 2, 3, 4, 5], [6, 7], [8]]
    ids, mask = canvas.completion(prompts, 12, MASK, PAD)
    tried = 0
    for chosen in certain(name):
        if "batch" in chosen.model_dump().values():
            continue  # the official coupling of rows, chosen by its name
        try:
            together = run(denoiser, ids, mask, chosen, draws=NoDraws())[-1].ids
        except (SpecError, LookupError):
            continue
        for row, prompt in enumerate(prompts):
            one, _ = canvas.completion([prompt], 12, MASK, PAD)
            alone = run(denoiser, one, None, chosen, draws=NoDraws())[-1].ids[0, len(prompt) :]
            assert text(together[row, 5:]) == text(alone), chosen
        tried += 1
    if name == "llada":
        assert tried, "nothing was compared"


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_model_of_no_numbers_is_refused_and_never_waited_for(name, make):
    ids, mask = canvas.completion([[1, 2], [3]], 12, MASK, PAD)
    refused = 0
    for fields in (MODELS["plain"], MODELS["blocks"], MODELS["random tokens"]):
        whole = make(**fields)
        broken = Denoiser(copy.deepcopy(whole.model), whole.config)
        torch.nn.init.constant_(broken.model.get_input_embeddings().weight, torch.nan)  # type: ignore[operator]
        for chosen in certain(name) or [smallest(name)]:
            try:
                run(broken, ids, mask, chosen)
            except SpecError:  # this sampler does not fit this model
                continue
            except ModelError as error:
                assert "NaN" in str(error)
                refused += 1
                continue
            raise AssertionError(f"a text was made of nothing: {chosen}")
    assert refused


def text(ids: torch.Tensor) -> list[int]:
    """Up to the end: rows that end early leave what follows to their batch."""
    tokens = ids.tolist()
    return tokens[: min((tokens.index(end) for end in (EOS, EOT) if end in tokens), default=len(tokens))]
