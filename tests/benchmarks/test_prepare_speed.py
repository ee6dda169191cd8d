"""Preparing a file beside `datasets.map` with the same tokenizer and processes on the same file."""

import json
import random
import statistics
import time
from pathlib import Path

import datasets
import pytest

from jobs.data import fingerprint
from jobs.data.builders import build
from jobs.data.prepare import Plan, prepare
from jobs.models.tokenizers import load_tokenizer
from jobs.specs.data import DataSpec

ROOT = Path(__file__).parents[2]
ROWS, STORIES, WORKERS, ROUNDS = 5000, 8, 2, 5


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """11 MiB of texts: half a minute for all rounds on two cores, with room on a busy machine."""
    stories = [row["text"] for row in build("prose", {"rows": 4000})]
    draw = random.Random(0)
    path = tmp_path / "rows.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(ROWS):
            file.write(json.dumps({"text": " ".join(draw.choices(stories, k=STORIES))}) + "\n")
    return path


def ours(path: Path, folder: Path) -> tuple[float, int]:
    """(seconds, tokens)."""
    tokenizer = load_tokenizer(ROOT / "assets" / "tokenizers" / "stories")
    data = DataSpec(path=str(path), max_length=256, validation=0)
    folder.mkdir()
    started = time.perf_counter()
    fingerprint.of_data(data, lambda: None)
    made = prepare(Plan(folder, data, tokenizer, "key", "", WORKERS), lambda done: None)
    return time.perf_counter() - started, sum(made.tokens)


def theirs(path: Path, folder: Path) -> tuple[float, int]:
    """(seconds, tokens)."""
    tokenizer = load_tokenizer(ROOT / "assets" / "tokenizers" / "stories")

    def encode(batch):
        ids = tokenizer(batch["text"], add_special_tokens=False, return_attention_mask=False)["input_ids"]
        return {"input_ids": [[*one, tokenizer.eos_token_id] for one in ids]}

    started = time.perf_counter()
    read = datasets.load_dataset("json", data_files=str(path), cache_dir=str(folder), split="train")
    made = read.map(encode, batched=True, num_proc=WORKERS, remove_columns=["text"])
    return time.perf_counter() - started, sum(map(len, made["input_ids"]))


@pytest.mark.benchmark
def test_throughput_beside_datasets_map(rows: Path, tmp_path: Path, capsys):
    """Whole files, from JSON lines to Arrow; rounds in turns, who begins changing each time."""
    ratios, told = [], []
    for number in range(ROUNDS):
        turn = [("ours", ours), ("datasets.map", theirs)][:: 1 if number % 2 else -1]
        made = {name: one(rows, tmp_path / f"{name}-{number}") for name, one in turn}
        (our_seconds, our_tokens), (their_seconds, their_tokens) = made["ours"], made["datasets.map"]
        assert our_tokens == their_tokens, "both did the same work"
        ratios.append(their_seconds / our_seconds)
        told.append(f"ours {our_seconds:.2f} s, datasets.map {their_seconds:.2f} s: {ratios[-1]:.2f}")
    with capsys.disabled():
        print(f"\n{rows.stat().st_size / 2**20:.0f} MiB, {WORKERS} processes", *told, sep="\n")
        print(f"throughput beside datasets.map, median of {ROUNDS}: {statistics.median(ratios):.2f}")
