"""Makes the example files of assets/data: `python -m assets.make_data`."""

import itertools
import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

from jobs.data.builders import build, sudoku
from jobs.data.builders import story_grammar as grammar

FOLDER = Path(__file__).parent / "data"
SEED = 2026
ROWS = 400
PROMPTS = 20
COLOURS = ("red", "green", "blue", "yellow")
TABLE = 32  # pixels along a side
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
    write("tables.jsonl", [json.dumps(row) for row in tables()])


def tables() -> list[dict]:
    """Questions about pictures of little tables, one cell of each coloured; the rows have the shape of
    jp1924/KoDocumentTableVisualSFT as conversations with `images`."""
    (FOLDER / "tables").mkdir(exist_ok=True)
    rows = []
    for number, (colour, row, column) in enumerate(itertools.product(COLOURS, range(2), range(2))):
        name = f"tables/{number:02}.png"
        picture = Image.new("RGB", (TABLE, TABLE), "white")
        pen = ImageDraw.Draw(picture)
        half = TABLE // 2
        pen.rectangle((column * half, row * half, (column + 1) * half, (row + 1) * half), fill=colour)
        pen.line((0, half, TABLE, half), fill="black")
        pen.line((half, 0, half, TABLE), fill="black")
        picture.save(FOLDER / name)
        place = f"{('upper', 'lower')[row]} {('left', 'right')[column]}"
        for question, answer in (("Which colour?", colour), ("Which cell?", place)):
            turns = [
                {"role": "user", "content": f"<image>{question}"},
                {"role": "assistant", "content": answer},
            ]
            rows.append({"messages": turns, "images": [name]})
    return rows


def write(name: str, lines: list[str]) -> None:
    (FOLDER / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
