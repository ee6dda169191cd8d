"""A trajectory in the terminal, without a terminal."""

import io

from rich.console import Console

from studio.cli.canvas import BANDS, MASK, Canvas, draw, style

MASK_ID = 9


def start(length=4, given=(0,), grid=None, prompt_length=1):
    ids = [1 if i in given else MASK_ID for i in range(length)]
    return {
        "type": "start",
        "mask_id": MASK_ID,
        "length": length,
        "prompt_length": prompt_length,
        "ids": ids,
        "texts": ["Once" if i in given else "" for i in range(length)],
        "given": list(given),
        "grid": grid,
    }


def step(number, *deltas):
    return {"type": "step", "step": number, "nfe": number, "seconds": 0.5 * number, "deltas": list(deltas)}


def end(text="", reason="finished", **more):
    return {"type": "end", "reason": reason, "nfe": 2, "seconds": 1.0, "text": text, "texts": [], **more}


def test_it_fills_as_the_lines_come():
    canvas = Canvas()
    canvas.apply(start())
    assert canvas.text().plain == "Once" + 3 * MASK
    canvas.apply(step(1, [2, 5, " a", 0.95, "revealed", []]))
    assert canvas.text().plain == "Once" + MASK + " a" + MASK
    assert canvas.status().startswith("1 of 3 tokens  1 forward pass  ")
    canvas.apply(step(2, [2, MASK_ID, "", 0.1, "remasked", []], [1, 6, " upon", 0.5, "revealed", []]))
    assert canvas.text().plain == "Once upon" + 2 * MASK
    canvas.apply(end(" upon a time"))
    assert canvas.answer == " upon a time" and canvas.reason == "finished"


def test_the_answer_alone_leaves_the_prompt_out():
    canvas = Canvas(answer_only=True)
    canvas.apply(start())
    assert canvas.text().plain == 3 * MASK


def test_a_grid_has_gaps_between_its_boxes():
    canvas = Canvas()
    canvas.apply(start(16, (0,), {"rows": 4, "columns": 4, "box_rows": 2, "box_columns": 2}))
    canvas.texts[0] = "3"
    assert canvas.text().plain == "3 ·  · ·\n· ·  · ·\n\n· ·  · ·\n· ·  · ·"


def test_every_band_differs_by_more_than_colour_from_the_sure_one():
    assert style(1.0) == style(0.9) == BANDS[0].style
    assert style(0.0) == BANDS[-1].style
    assert all("underline" in band.style for band in BANDS if band.probability < 0.6)
    assert len({band.style for band in BANDS}) == len(BANDS)


def test_an_end_without_a_start_is_an_error_not_a_crash():
    canvas = Canvas()
    canvas.apply({"type": "end", "reason": "error", "error": "There is no model of that name."})
    assert canvas.error == "There is no model of that name." and canvas.text().plain == ""


def test_on_a_terminal_it_is_drawn_and_elsewhere_it_is_silent():
    lines = [start(), step(1, [1, 5, "\x1b[31m", 0.2, "revealed", []]), end("x")]
    terminal = io.StringIO()
    draw(lines, Console(file=terminal, force_terminal=True, color_system="truecolor", width=80))
    assert "Once" in terminal.getvalue() and "�[31m" in terminal.getvalue()  # shown, not obeyed
    pipe = io.StringIO()
    draw(lines, Console(file=pipe, width=80))
    assert pipe.getvalue() == ""
