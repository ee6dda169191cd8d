"""What Fast-dLLM's thresholds and caches save on the bundled stories model, and what they change: the tokens,
and how many of the stories still are what the grammar of the training texts allows.

`pytest -m benchmark -s tests/benchmarks/test_approximate_savings.py` prints the table; it asserts no times.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from jobs.data.builders import story_grammar as grammar
from jobs.data.builders.story_tables import REQUESTS
from jobs.models import checkpoint
from jobs.models.checkpoint import Checkpoint
from jobs.programs import generation
from jobs.programs.asks import Ask
from jobs.specs.samplers import FastDLLMSampler, LLaDASampler, SamplerOptions

pytestmark = pytest.mark.benchmark
STORIES = Path(__file__).parents[2] / "assets" / "models" / "stories"
WISHES = list(zip(grammar.NAMES[:6], grammar.THINGS[:6], strict=True))
NEW, BLOCK, TURNS = 72, 12, 4

PLAIN = "llada, one token a pass"
SAME = "fast_dllm, one token a pass"


def fast(**settings) -> FastDLLMSampler:
    return FastDLLMSampler(max_new_tokens=NEW, block_size=BLOCK, **settings)


WAYS: dict[str, SamplerOptions] = {
    PLAIN: LLaDASampler(max_new_tokens=NEW, block_size=BLOCK, steps=NEW),
    SAME: fast(),
    "prefix cache": fast(use_cache="prefix"),
    "dual cache": fast(use_cache="dual"),
    "threshold 0.9": fast(threshold=0.9),
    "threshold 0.7": fast(threshold=0.7),
    "factor 1": fast(factor=1.0),
    "threshold 0.9, prefix cache": fast(threshold=0.9, use_cache="prefix"),
    "threshold 0.9, dual cache": fast(threshold=0.9, use_cache="dual"),
}


@dataclass(frozen=True)
class Story:
    """The tokens of an answer up to its end, and what they cost."""

    tokens: Tensor
    passes: int
    seconds: float
    """Of this process's own time, which waiting for others does not lengthen."""


def tell(loaded: Checkpoint, options: SamplerOptions, name: str, thing: str) -> Story:
    told = [{"role": "user", "content": REQUESTS[0].format(name=name, thing=thing)}]
    canvas = generation.make_canvas(Ask("messages", told), loaded, options)
    ids, mask, _ = generation.as_tensors([canvas], loaded)
    started = time.process_time()
    *_, last = generation.unmask(loaded, ids, mask, options, 0, want_details=False)
    seconds = time.process_time() - started
    answer = last.ids[0, -NEW:]
    ends = (answer == loaded.eos_id).nonzero().flatten().tolist()
    return Story(answer[: ends[0] if ends else NEW], last.nfe, seconds)


def quickest(loaded: Checkpoint) -> dict[str, list[Story]]:
    """Every story in every way, the quickest of some turns. The ways take turns with each story, so that a
    machine which is slow for a while is so for all of them."""
    told: dict[str, list[Story]] = {way: [] for way in WAYS}
    for wish in WISHES:
        turns = [{way: tell(loaded, options, *wish) for way, options in WAYS.items()} for _ in range(TURNS)]
        for way in WAYS:
            told[way].append(min((turn[way] for turn in turns), key=lambda story: story.seconds))
    return told


def total(of: list[Story]) -> tuple[int, int, float]:
    """(tokens, passes, seconds) of all stories."""
    return sum(len(s.tokens) for s in of), sum(s.passes for s in of), sum(s.seconds for s in of)


def agreement(plain: list[Story], other: list[Story]) -> float:
    """The share of the plain stories' tokens that the other way has in the same place."""
    same = 0
    for one, changed in zip(plain, other, strict=True):
        both = min(len(one.tokens), len(changed.tokens))
        same += int((one.tokens[:both] == changed.tokens[:both]).sum())
    return same / total(plain)[0]


def parsing(loaded: Checkpoint, of: list[Story]) -> int:
    """How many of the stories parse."""
    assert loaded.tokenizer is not None
    texts = [loaded.tokenizer.decode(story.tokens.tolist(), skip_special_tokens=True) for story in of]
    return sum(map(grammar.parses, texts))


def test_what_each_way_saves_and_changes():
    torch.set_num_threads(1)
    loaded = checkpoint.load(STORIES, "float32")
    told = quickest(loaded)
    plain = told[PLAIN]
    plain_tokens, plain_passes, plain_seconds = total(plain)
    heads = [
        "way",
        "tokens/s",
        "of plain",
        "passes",
        "tokens a pass",
        "tokens as plain",
        "stories that parse",
    ]
    print("", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", sep="\n")
    for way, of in told.items():
        tokens, passes, seconds = total(of)
        ratio = tokens / seconds / (plain_tokens / plain_seconds)
        print(
            f"| {way} | {tokens / seconds:.0f} | {ratio:.2f} | {passes} | {tokens / passes:.2f} "
            f"| {agreement(plain, of):.0%} | {parsing(loaded, of)} of {len(WISHES)} |"
        )
    assert agreement(plain, told[SAME]) == 1 and total(told[SAME])[1] == plain_passes
    assert total(told["threshold 0.9"])[1] < plain_passes and total(told["factor 1"])[1] < plain_passes
