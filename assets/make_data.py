"""Makes the example files of assets/data: `python -m assets.make_data`."""

import itertools
import json
import random
from pathlib import Path

from jobs.data.builders import build, sudoku
from jobs.data.builders import story_grammar as grammar

FOLDER = Path(__file__).parent / "data"
SEED = 2026
ROWS = 400
PROMPTS = 20
PUZZLES = {9: (30, 35, 40, 45, 45, 45, 50, 50), 4: (8, 9, 10, 11)}  # size -> blank cells of each puzzle


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    rows = itertools.islice(build("stories", {"seed": SEED, "instructions": 1.0}), ROWS)
    write("stories-instructions.jsonl", [json.dumps(row, ensure_ascii=False) for row in rows])
    rng = random.Random(SEED)
    asked = [
        grammar.instruction(rng, rng.choice(grammar.NAMES), rng.choice(grammar.THINGS))
        for _ in range(PROMPTS)
    ]
    write("story-prompts.txt", asked)
    for size, blanks in PUZZLES.items():
        made = [sudoku.puzzle(SEED + i, size, count)[0] for i, count in enumerate(blanks)]
        write(f"sudoku-puzzles-{size}x{size}.txt", made)


def write(name: str, lines: list[str]) -> None:
    (FOLDER / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
