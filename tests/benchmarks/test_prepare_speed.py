"""Preparing a file beside `datasets.map` with the same tokenizer and processes on the same file."""

import json
import random
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
ROWS, STORIES, WORKERS, ROUNDS = 10_000, 8, 2, 2


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """About 15 MB of texts."""
    stories = [row["text"] for row in build("prose", {"rows": 4000})]
    draw = random.Random(0)
    path = tmp_path / "rows.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(ROWS):
            file.write(json.dumps({"text": " ".join(draw.choices(stories, k=STORIES))}) + "\n")
    return path


def ours(path: Path, folder: Path) -> float:
    tokenizer = load_tokenizer(ROOT / "assets" / "tokenizers" / "stories")
    data = DataSpec(path=str(path), max_length=256)
    folder.mkdir()
    started = time.perf_counter()
    fingerprint.of_data(data, lambda: None)
    prepare(Plan(folder, data, tokenizer, "key", "", WORKERS), lambda done: None)
    return time.perf_counter() - started


def theirs(path: Path, folder: Path) -> float:
    tokenizer = load_tokenizer(ROOT / "assets" / "tokenizers" / "stories")

    def encode(batch):
        ids = tokenizer(batch["text"], add_special_tokens=False, return_attention_mask=False)["input_ids"]
        return {"input_ids": [[*one, tokenizer.eos_token_id] for one in ids]}

    started = time.perf_counter()
    read = datasets.load_dataset("json", data_files=str(path), cache_dir=str(folder), split="train")
    read.map(encode, batched=True, num_proc=WORKERS, remove_columns=["text"])
    return time.perf_counter() - started


@pytest.mark.benchmark
def test_throughput_beside_datasets_map(rows: Path, tmp_path: Path, capsys):
    """Whole files, from JSON lines to Arrow; rounds in turns, the shortest of each."""
    took = [(ours(rows, tmp_path / f"ours{n}"), theirs(rows, tmp_path / f"theirs{n}")) for n in range(ROUNDS)]
    best = [min(times) for times in zip(*took, strict=True)]
    with capsys.disabled():
        print(f"\n{rows.stat().st_size / 2**20:.0f} MiB, {WORKERS} processes, seconds each: {took}")
        print(f"throughput beside datasets.map: {best[1] / best[0]:.2f}")
    assert all(seconds > 0 for seconds in best)
