"""The compiled denoiser: the shapes it is given, answers that are the plain one's, and its refusals."""

import pytest
import torch
from torch._inductor.exc import InvalidCxxCompiler

from jobs.diffusion import compiled
from jobs.diffusion.compiled import BUCKET, CompiledDenoiser, compile_body
from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers.base import Draws, Start
from jobs.diffusion.unmask import unmask
from jobs.protocol.errors import ModelError, ResourceError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import LLaDASampler

from .conftest import EOS, MASK, tiny

CPU = torch.device("cpu")


@pytest.mark.parametrize("block_size", [None, 4])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_what_is_added_changes_no_answer(kind, rows, padded, block_size, make):
    plain = make(kind, block_size=block_size)
    bucketed = CompiledDenoiser(plain.model, plain.config)
    torch.manual_seed(0)
    ids = torch.randint(MASK, (rows, 10))
    ids[:, 6:] = MASK
    mask = torch.ones_like(ids)
    if padded:
        mask[0, :2] = 0
    at = torch.arange(6, 10)
    torch.testing.assert_close(bucketed(ids, mask, at), plain(ids, mask, at), atol=2e-5, rtol=1e-4)
    if not padded:
        wanted = ids == MASK
        torch.testing.assert_close(
            bucketed.selected(ids, mask, wanted), plain.selected(ids, mask, wanted), atol=2e-5, rtol=1e-4
        )


@pytest.mark.parametrize(("rows", "length", "shape"), [(1, 10, (1, 64)), (3, 65, (4, 96)), (4, 64, (4, 64))])
def test_shapes_are_few(rows, length, shape, make):
    plain = make("llama")  # of 96 positions, which no canvas may pass
    ids, mask = CompiledDenoiser(plain.model, plain.config)._padded(torch.zeros(rows, length).long(), None)
    assert ids.shape == mask.shape == shape
    assert mask.sum() == len(mask) * length


@pytest.mark.e2e
def test_compiled_passes_write_the_same_ids():
    model, config = tiny("llama"), DiffusionConfig(mask_token_id=MASK)
    starts = [Start(canvas(new), config, None, Draws(), EOS) for new in (16, 24)]
    options = LLaDASampler(steps=12, max_new_tokens=24, block_size=24)
    expected = [[step.ids.tolist() for step in unmask(Denoiser(model, config), s, options)] for s in starts]
    compile_body(model, CPU)
    torch._dynamo.utils.counters.clear()
    denoiser = CompiledDenoiser(model, config)
    found = [[step.ids.tolist() for step in unmask(denoiser, s, options)] for s in starts]
    assert found == expected
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert 0 < graphs < 8, "one shape for all passes on canvases of up to a bucket's length"
    # A pass that reads from a cache is answered too, as it is.
    ids, cache = starts[0].ids, denoiser.new_cache(starts[0].ids.shape[1])
    torch.testing.assert_close(denoiser(ids, cache=cache), denoiser(ids), atol=2e-5, rtol=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs


def canvas(new: int) -> torch.Tensor:
    assert new + 4 <= BUCKET
    return torch.cat([torch.tensor([[1, 5, 2, 9]]), torch.full((1, new), MASK)], 1)


def test_without_a_compiler_it_is_refused(monkeypatch):
    def none() -> str:
        raise InvalidCxxCompiler

    monkeypatch.setattr(compiled, "get_cpp_compiler", none)
    with pytest.raises(ResourceError, match="needs a C\\+\\+ compiler.*compile to false"):
        compile_body(tiny("llama"), CPU)


def test_a_model_whose_head_cannot_be_parted_is_refused():
    with pytest.raises(ModelError, match="cannot be compiled"):
        compile_body(torch.nn.Linear(2, 2), CPU)
