"""Measures the bundled models against their bars: `python -m assets.measure stories|sudoku [--model FOLDER]`.

Prints each figure beside its bar and exits with 1 if one is missed. It samples as the playground does: the
product's own loader, canvases and sampler, with the settings stored in the checkpoint.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from jobs.data.builders import build, sudoku
from jobs.data.builders import story_grammar as grammar
from jobs.data.builders.story_tables import PLAIN_REQUESTS, REQUESTS
from jobs.models import checkpoint
from jobs.models.checkpoint import Checkpoint
from jobs.programs import generation
from jobs.programs.asks import Ask
from jobs.specs.job import TrainSpec
from jobs.specs.load import load_spec
from jobs.specs.samplers import LLaDASampler
from jobs.specs.samplers.presets import chosen

HERE = Path(__file__).parent
BATCH = 50
BLANKS = 45
UNSEEN = 1_000_000  # seeds of test puzzles begin here


@dataclass(frozen=True)
class Figure:
    """One measured number and its bar."""

    name: str
    value: float
    bar: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        return (
            f"{'ok    ' if self.reached else 'MISSED'}  {self.name}: {self.value:g} (bar {sign} {self.bar:g})"
        )


@dataclass
class Sampled:
    """Answers, and what they cost."""

    texts: list[str]
    tokens: int  # written, without those that end or fill up a text
    forwards: int  # summed over the answers


def sample(loaded: Checkpoint, asks: list[Ask], sampler: LLaDASampler, seed: int) -> Sampled:
    """Answer every request; those of a batch must have equally long prompts."""
    assert loaded.tokenizer is not None
    done = Sampled([], 0, 0)
    for start in range(0, len(asks), BATCH):
        canvases = [generation.make_canvas(ask, loaded, sampler) for ask in asks[start : start + BATCH]]
        ids, attention_mask, _ = generation.as_tensors(canvases, loaded)
        nfe = 0
        for step in generation.unmask(loaded, ids, attention_mask, sampler, seed + start, want_details=False):
            ids, nfe = step.ids, step.nfe
        for row in ids:
            answer = row[len(row) - sampler.max_new_tokens :] if canvases[0].completes else row
            kept = answer[answer != loaded.eos_id]
            done.texts.append(loaded.tokenizer.decode(kept.tolist(), skip_special_tokens=True))
            done.tokens += len(kept)
            done.forwards += nfe
    return done


def recipe(name: str) -> TrainSpec:
    """The recipe that a bundled model was trained by."""
    spec = load_spec(HERE / "recipes" / f"{name}.yaml")
    assert isinstance(spec, TrainSpec)
    return spec


def stories(loaded: Checkpoint, count: int, settings: dict, seed: int) -> Iterator[Figure]:
    """Different, new, grammatical, and about what was asked; the failures are printed."""
    sampler = chosen(loaded.config, {**loaded.config.sampler, **settings})
    data = recipe("stories").data
    trained = {row["messages"][-1]["content"] for row in build(str(data.builder), data.options)}
    requests = [""] * (count // 2) + [PLAIN_REQUESTS[0]] * (count - count // 2)
    plain: list[str] = []
    forwards = tokens = 0
    for request in sorted(set(requests)):
        asks = [Ask("messages", [{"role": "user", "content": request}])] * requests.count(request)
        found = sample(loaded, asks, sampler, seed + len(plain))
        plain += found.texts
        forwards += found.forwards
        tokens += found.tokens
    rng = random.Random(seed)
    wanted = [(rng.choice(grammar.NAMES), rng.choice(grammar.THINGS)) for _ in range(count)]
    asked = [REQUESTS[0].format(name=name, thing=thing) for name, thing in wanted]
    told = sample(
        loaded, [Ask("messages", [{"role": "user", "content": text}]) for text in asked], sampler, seed
    )
    sys.stdout.write(f"sampler: {sampler.model_dump(exclude_defaults=True)}\n")
    for text in [text for text in plain + told.texts if not grammar.parses(text)][:12]:
        sys.stdout.write(f"does not parse: {text}\n")
    for text in plain[:2] + told.texts[:2]:
        sys.stdout.write(f"sample: {text}\n")
    per_cent = 100 / count
    yield Figure("tokens of a story per forward, plain", round(tokens / forwards, 2), 2)
    yield Figure("tokens of a story per forward, instructed", round(told.tokens / told.forwards, 2), 2)
    yield Figure(f"different stories of {count}", len(set(plain)), 0.9 * count)
    yield Figure("% not in the training text", sum(text not in trained for text in plain) * per_cent, 90)
    yield Figure("% that parse, plain", sum(map(grammar.parses, plain)) * per_cent, 90)
    hits = sum(grammar.mentions(text, *pair) for text, pair in zip(told.texts, wanted, strict=True))
    yield Figure("% of the instructed that contain name and thing", hits * per_cent, 90)
    yield Figure("% that parse, instructed", sum(map(grammar.parses, told.texts)) * per_cent, 90)


def sudokus(loaded: Checkpoint, count: int, settings: dict, seed: int) -> Iterator[Figure]:
    """Solved by confidence, and in random order."""
    data = recipe("sudoku-9x9").data
    trained = {row["text"] for row in build(str(data.builder), data.options)}
    puzzles = [sudoku.puzzle(UNSEEN + seed + number, 9, BLANKS) for number in range(count)]
    seen = sum(solution in trained for _, solution in puzzles)
    yield Figure("test grids in the training text", seen, 0, at_most=True)
    for remasking, bar in (("low_confidence", 80.0), ("random", 10.0)):
        own = {**loaded.config.sampler, "remasking": remasking, **settings}
        sampler = chosen(loaded.config, own)
        found = sample(loaded, [Ask("grid", given) for given, _ in puzzles], sampler, seed)
        solved = sum(
            text.replace(" ", "") == solution
            for text, (_, solution) in zip(found.texts, puzzles, strict=True)
        )
        forwards = found.forwards / count
        name = f"% of {count} puzzles with {BLANKS} blanks solved, {remasking}, {forwards:g} forwards"
        yield Figure(name, round(100 * solved / count, 1), bar, at_most=remasking == "random")


MEASURES = {"stories": (stories, "stories"), "sudoku": (sudokus, "sudoku-9x9")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--model", type=Path, help="checkpoint folder; else the bundled one")
    parser.add_argument("--count", type=int, default=200, help="stories or puzzles")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, help="sampler steps other than the checkpoint's")
    parser.add_argument("--temperature", type=float, help="temperature other than the checkpoint's")
    parser.add_argument("--block-size", type=int, help="block size other than the checkpoint's")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    measure, folder = MEASURES[given.what]
    loaded = checkpoint.load(given.model or HERE / "models" / folder)
    changes = {"steps": given.steps, "temperature": given.temperature, "block_size": given.block_size}
    settings = {key: value for key, value in changes.items() if value is not None}
    started = time.monotonic()
    figures = list(measure(loaded, given.count, settings, given.seed))
    for figure in figures:
        sys.stdout.write(f"{figure}\n")
    sys.stdout.write(f"{time.monotonic() - started:.0f} s\n")
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
