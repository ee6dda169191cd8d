"""What holds for every sampler that reads blocks through windows."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion import canvas
from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.unmask import unmask
from jobs.specs.samplers import (
    DInferSampler,
    FastDLLMDreamSampler,
    FastDLLMSampler,
    LocalLeapSampler,
    SamplerOptions,
)

from .conftest import MASK

PAD = 21
KINDS = [
    FastDLLMSampler(threshold=0.3),
    FastDLLMSampler(factor=2.0),
    FastDLLMSampler(steps=5),
    FastDLLMDreamSampler(threshold=0.3, top_k=8),
    FastDLLMDreamSampler(threshold=None, steps=5),
    DInferSampler(threshold=0.3),
    DInferSampler(parallel_decoding="hierarchy", threshold=0.6, low_threshold=0.2),
    DInferSampler(parallel_decoding="credit", threshold=0.6),
    LocalLeapSampler(threshold=0.5, relaxed_threshold=0.2, radius=2),
]
# Prompts of several lengths, to be padded on the left, and gaps.
ROWS = [[1, 2, 3] + [MASK] * 9, [5] + [MASK] * 9, [4, MASK, MASK, 6, 7, MASK, MASK, MASK, 8, 9]]


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("use_cache", ["none", "prefix", "dual"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.model_dump(exclude_defaults=True)))
def test_rows_of_any_layout_are_written_as_they_would_be_alone(kind, use_cache, shifted, make):
    denoiser = make(shifted_logits=shifted)
    ids, mask = canvas.completion(ROWS, 0, MASK, PAD)
    options: SamplerOptions = kind.model_copy(
        update={"use_cache": use_cache, "block_size": 4, "early_exit": False}
    )

    def filled(ids: Tensor, mask: Tensor | None) -> Tensor:
        begun = Start(ids, denoiser.config, mask, Draws(), new_cache=denoiser.new_cache)
        *_, last = unmask(denoiser, begun, options)
        return last.ids

    together = filled(ids, mask)
    for number, row in enumerate(ROWS):
        assert torch.equal(filled(torch.tensor([row]), None)[0], together[number, -len(row) :])
