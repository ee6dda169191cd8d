"""What sampling costs beside the bare model, and beside the public algorithm as written.

`pytest -m benchmark -s tests/benchmarks/test_sampling_speed.py` prints ratios and asserts the output only.
SmolLM2-135M's shape with random weights in float32; prompt 32 and 64 new tokens, 64 steps, blocks of 32, no
cache. Goals: at most 1.05 of backbone and head on the active window; streaming at most 0.03 of the sampling.
The ways take turns step by step, in CPU time of this process: a busy machine is fair to all.
ROUNDS=5 and more are worth reporting.
"""

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from jobs.diffusion.samplers import base
from jobs.diffusion.unmask import answer
from jobs.models import checkpoint
from jobs.models.bidirectional import make_bidirectional
from jobs.models.checkpoint import Checkpoint
from jobs.programs.asks import Ask
from jobs.programs.generation import Generation, make_canvas, open_lines
from jobs.protocol.trajectory import encode
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import LLaDASampler

pytestmark = pytest.mark.benchmark
ROUNDS = int(os.environ.get("ROUNDS", "1"))
STORIES = Path(__file__).parents[2] / "assets" / "models" / "stories"
SETTINGS = LLaDASampler(steps=64, max_new_tokens=64, block_size=32)
PROMPT, MASK, WORDS = 32, 1, 49152
SMOL = {
    "vocab_size": WORDS,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}


def random_model(**sizes: Any) -> Checkpoint:
    """A Llama with random weights and a tokenizer of numbered words."""
    torch.manual_seed(0)
    words = {"[UNK]": 0, "[MASK]": MASK} | {f"w{n}": n for n in range(2, sizes["vocab_size"])}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="[UNK]", mask_token="[MASK]")
    model = make_bidirectional(LlamaForCausalLM(LlamaConfig(**sizes))).eval()
    return Checkpoint(model, tokenizer, DiffusionConfig(family="a2d", mask_token_id=MASK), None)


@torch.no_grad()
def bare(model: Any, ids: Tensor, window: slice) -> None:
    """The backbone, and the head on the block that is being filled."""
    model.lm_head(model.model(input_ids=ids, use_cache=False).last_hidden_state[:, window])


@torch.no_grad()
def public_step(model: Any, ids: Tensor, block_end: int) -> Tensor:
    """One step of LLaDA's published sampler (ML-GSAI/LLaDA generate.py) at temperature 0, one token a step:
    logits at every position, their softmax over the vocabulary in float64, positions behind the block out."""
    logits = model(input_ids=ids, use_cache=False).logits
    guess = logits.argmax(-1)
    chance = torch.softmax(logits.double(), -1).gather(-1, guess[..., None])[..., 0]
    chance[:, block_end:] = -torch.inf
    masked = ids == MASK
    confidence = torch.where(masked, chance, -torch.inf)
    written = ids.clone()
    place = confidence[0].topk(1).indices
    written[0, place] = guess[0, place]
    return written


class Clock:
    """CPU seconds by name, summed over the steps of a round."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def __call__(self, name: str, work: Callable[..., Any], *given: Any) -> Any:
        began = time.process_time()
        done = work(*given)
        self.seconds[name] += time.process_time() - began
        return done


def generation(loaded: Checkpoint, prompt: str, path: Path, settings: LLaDASampler) -> Generation:
    ask = Ask("prompt", prompt)
    canvas, file = make_canvas(ask, loaded, settings), open_lines(path)
    write = lambda line: file.write(encode(line))  # noqa: E731
    return Generation(loaded, prompt, canvas, settings, write, request="r", model="m", seed=0)


def step_of_ours(loaded: Checkpoint, work: Generation, clock: Clock) -> None:
    """A step as the server makes it, its lines apart; the details for the lines are timed by the caller."""
    asks = work.run.asks
    assert asks is not None
    logits = clock("ours", answer, loaded.denoiser(), asks)
    clock("ours", work.run.answer, logits)
    clock("lines", work.tell)


def timed_details(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time what is computed for the eyes alone: candidates and entropy."""
    details = base.details
    monkeypatch.setattr(base, "details", lambda *given: clock("details", details, *given))


def test_sampling_beside_the_bare_model_and_the_public_algorithm(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    loaded = random_model(**SMOL)
    prompt = " ".join(f"w{number}" for number in range(100, 100 + PROMPT))
    ratios = defaultdict(list)
    for turn in range(ROUNDS):
        clock = Clock()
        with monkeypatch.context() as patch:
            timed_details(clock, patch)
            work = generation(loaded, prompt, tmp_path / f"{turn}.jsonl", SETTINGS)
            public = torch.tensor([work.trajectory.first])
            for step in range(SETTINGS.steps):
                block_end = PROMPT + (step // SETTINGS.block_size + 1) * SETTINGS.block_size
                window = slice(block_end - SETTINGS.block_size, block_end)
                clock("bare", bare, loaded.model, public, window)
                step_of_ours(loaded, work, clock)
                public = clock("public", public_step, loaded.model, public, block_end)
            clock("lines", work.end, "finished")
        assert work.trajectory.ids == public[0].tolist(), "the output must be identical"
        took = clock.seconds
        whole = took["ours"] + took["lines"]
        ratios["whole sampling beside the bare model"].append(whole / took["bare"])
        ratios["the public algorithm beside the bare model"].append(took["public"] / took["bare"])
        ratios["streaming's share of the sampling"].append((took["lines"] + took["details"]) / whole)
        print(f"\nround {turn}, CPU s: " + ", ".join(f"{name} {s:.2f}" for name, s in took.items()))
    for name, found in ratios.items():
        print(f"{name}: {statistics.median(found):.3f} (median of {ROUNDS})")


def test_streaming_of_the_bundled_stories_model(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    loaded = checkpoint.load(STORIES)
    settings = LLaDASampler(**loaded.config.sampler)
    shares = []
    for turn in range(6):
        clock = Clock()
        with monkeypatch.context() as patch:
            timed_details(clock, patch)
            work = generation(loaded, "Write a story.", tmp_path / f"{turn}.jsonl", settings)
            while not work.finished:
                step_of_ours(loaded, work, clock)
            clock("lines", work.end, "finished")
        took = clock.seconds
        shares.append((took["lines"] + took["details"]) / (took["ours"] + took["lines"]))
    print(f"\nstories: streaming's share of the sampling {statistics.median(shares[1:]):.3f} (median of 5)")


SIZES = {
    "stories": {"hidden_size": 128, "intermediate_size": 344, "num_hidden_layers": 4},
    "10M": {"hidden_size": 320, "intermediate_size": 1280, "num_hidden_layers": 6},
}


@pytest.mark.parametrize("name", SIZES)
def test_how_the_cost_of_a_pass_grows(name):
    """Tokens of canvas that a pass reads in a second, by rows and by length."""
    torch.set_num_threads(1)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 512}
    loaded = random_model(**heads, **SIZES[name], max_position_embeddings=2048)
    denoiser, size = loaded.denoiser(), sum(p.numel() for p in loaded.model.parameters())
    print(f"\n{name}, {size / 1e6:.1f} M parameters: ms a pass (thousand tokens a second), shortest of 5")
    for shapes in ([(rows, 128) for rows in (1, 2, 4, 8, 16, 32)], [(1, 2**n) for n in range(7, 11)]):
        passes = [(torch.randint(2, 512, shape), torch.arange(32)) for shape in shapes]
        best = [float("inf")] * len(shapes)
        for _ in range(6):
            for number, (ids, at) in enumerate(passes):
                began = time.process_time()
                denoiser(ids, None, at)
                best[number] = min(best[number], time.process_time() - began)
        for (rows, length), took in zip(shapes, best, strict=True):
            print(f"  {rows:2} x {length:4}: {took * 1e3:8.1f} ({rows * length / took / 1e3:.0f})")
