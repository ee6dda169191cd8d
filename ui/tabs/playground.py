"""The playground: a model, a text with gaps, a sampler, and the canvas on which it is unmasked."""

import html
import random
from pathlib import Path
from typing import Any

import gradio as gr

from backend.services import pictures
from backend.services.checkpoints import ModelView
from jobs.protocol.errors import StudioError
from ui import asking, branch_bridge, forced_words, lane_bridge, sampler_form
from ui.components.chat_log import ChatLog
from ui.components.denoise_canvas import DenoiseCanvas
from ui.notes import caution, note
from ui.page import QUICK, Page
from ui.words import say, told

# control -> the mode that it belongs to
CONTENTS = {"prompt": asking.COMPLETE, "message": asking.CHAT, "infill": asking.INFILL, "grid": asking.GRID}
WITH_GAPS = (asking.COMPLETE, asking.INFILL)
"""Modes in which selected words can become a gap."""
PUZZLES = Path(__file__).parents[2] / "assets" / "data"
CANCEL = """() => {
  const request = window.studio.params.sample;
  if (request) window.studio.call("POST", `/api/samples/${request}/cancel`)
    .catch((error) => window.studio.toast(error.message, "bad"));
}"""
MASK = "(mode, infill) => window.studio.maskSelection(mode, infill)"

WISHED = """(_, chosen) => {
  const { params, remember } = window.studio;
  const model = params.tab === "playground" && params.model;
  if (model) remember({ model: null });
  return [model || "", chosen];
}"""


def build(page: Page) -> None:
    """Draw the tab."""
    models = choices(page)
    first = page.studio.models.get(models[0]) if models else None
    gr.HTML(f"<h1>{say('Playground')}</h1>", elem_classes="sr")
    with gr.Row(elem_classes="play"):  # in the order of a phone; wide screens place them by grid areas
        with gr.Column(elem_classes="card setup"):
            parts = setup_panel(models, first)
        with gr.Column(elem_classes="stack stage"):
            chat = ChatLog(visible=shows(first, asking.CHAT), elem_id="play-chat")
            canvas = DenoiseCanvas(elem_id="play-canvas")
            branching = branch_bridge.panel()
            lanes = lane_bridge.panel()
        with gr.Column(elem_classes="card sampler"):
            sampler = sampler_panel(first)
    parts |= sampler | branching | lanes | {"chat": chat, "canvas": canvas}
    wire(page, parts)


def setup_panel(models: list[str], first: ModelView | None) -> dict[str, Any]:
    """Model, mode and what to write."""
    parts: dict[str, Any] = {
        "model": gr.Dropdown(
            models,
            value=first.name if first else None,
            label=say("Model"),
            info=say("Diffusion models only; make others into one in the Convert tab."),
            elem_id="play-model",
            elem_classes="field",
        ),
        "facts": gr.HTML(facts_html(first), elem_id="play-facts"),
        "mode": gr.Radio(
            asking.modes(first),
            value=asking.modes(first)[0],
            show_label=False,
            label=say("Mode"),
            elem_id="play-mode",
            elem_classes="field seg",
        ),
    }
    parts |= contents(first)
    parts |= forced_words.panel(asking.modes(first)[0])
    with gr.Row(elem_classes="start-stop"):
        parts["go"] = gr.Button(say("Generate"), variant="primary", elem_id="play-go")
        parts["stop"] = gr.Button(say("Stop"), elem_id="play-stop")
    parts["problem"] = gr.HTML("", elem_id="play-problem")
    return parts


def contents(first: ModelView | None) -> dict[str, Any]:
    """What to write, one control a mode."""

    def box(name: str, label: str, help: str, mode: str, **more: Any) -> gr.Textbox:
        return gr.Textbox(
            label=label,
            info=help,
            elem_id=f"play-{name}",
            visible=shows(first, mode),
            **{"lines": 3, "elem_classes": "field", **more},
        )

    start = say("The model goes on from here. Empty: it starts from nothing. Shift+Enter generates.")
    talk = say("Written in the model's own chat format; earlier turns are kept. Shift+Enter sends.")
    gaps = say("Type ____ where the model should write. Shift+Enter generates.")
    cells = say("Cell by cell; a dot is blank. Type your own or take a new one.")
    return {
        "prompt": box("prompt", say("Prompt"), start, asking.COMPLETE),
        "message": box("message", say("Message"), talk, asking.CHAT, value=asking.suggestion(first)),
        "anew": gr.Button(
            say("New conversation"), elem_id="play-anew", size="sm", visible=shows(first, asking.CHAT)
        ),
        "picture": gr.File(
            label=say("Picture"),
            file_types=list(pictures.SUFFIXES),
            height=120,
            elem_id="play-picture",
            elem_classes="field",
            visible=takes_picture(first, asking.modes(first)[0]),
        ),
        "infill": box("infill", say("Text with gaps"), gaps, asking.INFILL),
        "mask": gr.Button(
            say("Mask the selected words"),
            elem_id="play-mask",
            size="sm",
            visible=asking.modes(first)[0] in WITH_GAPS,
        ),
        "blanks": gr.Number(
            8,
            label=say("Tokens a gap"),
            info=say("How many masks stand for each ____."),
            precision=0,
            minimum=1,
            maximum=512,
            elem_id="play-blanks",
            elem_classes="field",
            visible=False,
        ),
        "grid": box(
            "grid",
            say("Puzzle"),
            cells,
            asking.GRID,
            value=new_puzzle(first),
            lines=9,
            max_lines=9,
            elem_classes="field mono",
        ),
        "puzzle": gr.Button(say("New puzzle"), elem_id="play-puzzle", visible=shows(first, asking.GRID)),
    }


def sampler_panel(first: ModelView | None) -> dict[str, Any]:
    """The sampler and its settings, drawn from the specs."""
    with gr.Accordion(say("Sampler"), elem_id="play-sampler"):
        parts = sampler_form.panel(first)
        parts["caution"] = gr.HTML("", elem_id="play-caution")
        seed = gr.Number(
            0,
            label="seed",
            info=say("Same seed, same text."),
            precision=0,
            minimum=0,
            maximum=2**31 - 1,
            elem_id="play-seed",
            elem_classes="field",
        )
        reset = gr.Button(say("Reset to the model's preset"), elem_id="play-reset", size="sm")
    return {**parts, "seed": seed, "reset": reset}


def wire(page: Page, p: dict[str, Any]) -> None:
    """What the controls do."""
    contents = [p[name] for name in CONTENTS]
    forced = [p[name] for name in forced_words.NAMES]
    talk = gr.State([])

    def view_of(name: str | None) -> ModelView | None:
        return page.studio.models.get(name) if name else None

    def chosen(name: str | None) -> list[Any]:
        view = view_of(name)
        mode = asking.modes(view)[0]
        picked = gr.Radio(choices=[(say(name), name) for name in asking.modes(view)], value=mode)
        return [facts_html(view), picked, *visibility(mode, view), *preset_updates(view), [], ""]

    def generate(values: dict[Any, Any]) -> dict[Any, Any]:
        try:
            request, turns = asking.ask(
                page.studio,
                model=values[p["model"]],
                mode=values[p["mode"]],
                contents={name: values[p[name]] for name in CONTENTS},
                sampler=sampler_form.read(values[p["sampler"]], [values[c] for c in p["controls"]]),
                seed=values[p["seed"]],
                blanks=values[p["blanks"]],
                picture=values[p["picture"]],
                talk=values[talk],
                forced=forced_words.read(values[p["mode"]], {n: values[p[n]] for n in forced_words.NAMES}),
            )
        except StudioError as error:
            return {p["problem"]: note(str(error))}
        sent = {p["message"]: "", p["picture"]: None} if values[p["mode"]] == asking.CHAT else {}
        return {
            p["canvas"]: {"request": request},
            talk: turns,
            p["chat"]: {"turns": turns},
            p["problem"]: "",
            **sent,
        }

    shown = [*contents, p["blanks"], p["puzzle"], p["anew"], p["chat"]]
    sampler = [p["sampler"], *p["controls"]]
    outputs = [p["facts"], p["mode"], *shown, *sampler, talk, p["problem"]]
    p["model"].change(chosen, p["model"], outputs, **QUICK)
    p["mode"].change(visibility, p["mode"], shown, **QUICK)
    wire_mode(page, p)
    wire_sampler(page, p, sampler)
    gr.on(
        [p["go"].click, *(p[name].submit for name in ("prompt", "message", "infill"))],
        generate,
        {p["model"], p["mode"], *contents, *forced, p["picture"], p["blanks"], p["seed"], talk, *sampler},
        [p["canvas"], talk, p["chat"], p["message"], p["picture"], p["problem"]],
        **QUICK,
    )
    p["stop"].click(fn=None, js=CANCEL)
    p["anew"].click(lambda: [[], {"turns": []}, ""], None, [talk, p["chat"], p["problem"]], **QUICK)
    branch_bridge.wire(page, p, sampler)
    lane_bridge.wire(page, p, sampler, talk, list(CONTENTS))
    wire_newcomers(page, p)


def wire_newcomers(page: Page, p: dict[str, Any]) -> None:
    """Models that have come since, and the one with which another tab opens this one."""
    wished = gr.Textbox(visible=False)

    def offer(name: str, chosen: str | None) -> Any:
        names = choices(page)
        wanted = name if name and can_write(page, name) else chosen
        if wanted and wanted not in names and can_write(page, wanted):  # a checkpoint is in no list
            names.append(wanted)
        return gr.update(choices=names, value=wanted) if name and wanted == name else gr.update(choices=names)

    for newcomers in (page.tab.select, gr.on):  # when the tab is opened, and when the page is
        newcomers(fn=offer, inputs=[wished, p["model"]], outputs=p["model"], js=WISHED, **QUICK)


def wire_sampler(page: Page, p: dict[str, Any], sampler: list[Any]) -> None:
    """Another sampler, or back to the model's own."""

    def view_of(name: str | None) -> ModelView | None:
        return page.studio.models.get(name) if name else None

    def other(chosen: str, name: str | None) -> list[Any]:
        view = view_of(name)
        return [gr.update(info=sampler_form.help_of(chosen, view)), *sampler_form.updates(chosen, view)]

    def warn_of_preset(chosen: str, name: str | None) -> str:
        view = view_of(name)
        return cautions_html({"name": chosen, **sampler_form.settings(chosen, view)}, view)

    def warn(name: str | None, chosen: str, *settings: Any) -> str:
        try:
            read = sampler_form.read(chosen, list(settings))
        except StudioError:  # said in full when it is used
            return ""
        return cautions_html(read, view_of(name))

    gr.on(
        [p["sampler"].change, p["model"].change, p["reset"].click],
        warn_of_preset,
        [p["sampler"], p["model"]],
        p["caution"],
        **QUICK,
    )
    settings = [control.change for control in p["controls"]]
    gr.on(settings, warn, [p["model"], *sampler], p["caution"], trigger_mode="always_last", **QUICK)
    p["reset"].click(lambda name: preset_updates(view_of(name)), p["model"], sampler, **QUICK)
    p["sampler"].input(other, [p["sampler"], p["model"]], sampler, **QUICK)


def cautions_html(settings: dict[str, Any], view: ModelView | None) -> str:
    return "".join(caution(told(sentence)) for sentence in sampler_form.cautions_of(settings, view))


def wire_mode(page: Page, p: dict[str, Any]) -> None:
    """Some fields are there in some modes only: for forced words, and for a picture."""

    def fields(name: str | None, mode: str) -> list[Any]:
        view = page.studio.models.get(name) if name else None
        return [
            gr.update(visible=takes_picture(view, mode), value=None),
            gr.update(visible=mode in forced_words.MODES),
            gr.update(visible=mode in WITH_GAPS),
        ]

    def puzzle(name: str | None) -> str:
        return new_puzzle(page.studio.models.get(name) if name else None)

    for change in (p["model"].change, p["mode"].change):
        change(fields, [p["model"], p["mode"]], [p["picture"], p["forced"], p["mask"]], **QUICK)
    p["puzzle"].click(puzzle, p["model"], p["grid"], **QUICK)
    p["mask"].click(fn=None, inputs=[p["mode"], p["infill"]], outputs=[p["mode"], p["infill"]], js=MASK)


def choices(page: Page) -> list[str]:
    """Names of the models that can denoise."""
    return [view.name for view in page.studio.models.list() if view.is_dllm and not view.problem]


def can_write(page: Page, name: str) -> bool:
    """Whether a name is of a model that can denoise."""
    try:
        view = page.studio.models.get(name)
    except StudioError:
        return False
    return view.is_dllm and not view.problem


def shows(view: ModelView | None, mode: str) -> bool:
    return asking.modes(view)[0] == mode


def takes_picture(view: ModelView | None, mode: str) -> bool:
    """Whether a picture can be shown with what is asked."""
    return view is not None and view.sees_images and mode == asking.CHAT


def preset_updates(view: ModelView | None) -> list[Any]:
    """The sampler and its controls for a model: its preset, and only what it has a use for."""
    name = sampler_form.preset(view)["name"]
    choice = gr.update(choices=sampler_form.choices(view), value=name, info=sampler_form.help_of(name, view))
    return [choice, *sampler_form.updates(name, view)]


def new_puzzle(view: ModelView | None) -> str:
    """A puzzle of the model's size, a row a line; empty for models without a grid."""
    if view is None or not view.grid:
        return ""
    columns, size = view.grid["columns"], view.grid["rows"] * view.grid["columns"]
    known = PUZZLES / f"sudoku-puzzles-{view.grid['rows']}x{columns}.txt"
    cells = (
        random.choice(known.read_text().split()) if known.exists() else "." * size
    )  # empty is a puzzle too
    return "\n".join(cells[i : i + columns] for i in range(0, size, columns))


def visibility(mode: str, view: ModelView | None = None) -> list[Any]:
    """Updates for the controls of what to write, the gap size, a new puzzle, a new talk and the talk; a new
    model brings what it may be asked first and no talk, one of grids a puzzle of its size."""
    updates = [gr.update(visible=mode == of_mode) for of_mode in CONTENTS.values()]
    if view is not None:
        updates[list(CONTENTS).index("message")] = gr.update(
            visible=mode == asking.CHAT, value=asking.suggestion(view)
        )
    if view is not None and view.grid:
        updates[list(CONTENTS).index("grid")] = gr.update(visible=True, value=new_puzzle(view))
    updates += [gr.update(visible=mode == m) for m in (asking.INFILL, asking.GRID, asking.CHAT)]
    forgotten = {} if view is None else {"value": {"turns": []}}
    return [*updates, gr.update(visible=mode == asking.CHAT, **forgotten)]


def facts_html(view: ModelView | None) -> str:
    """One line about the model; everything in it is escaped."""
    if view is None:
        return f'<p class="muted small">{say("No diffusion model yet. Make one in the Convert tab.")}</p>'
    facts = {
        say("family"): view.family,
        say("parameters"): short_number(view.parameters),
        say("numbers"): view.dtype,
        say("mask id"): view.mask_token_id,
        say("shift"): say("on") if view.shifted else say("off"),
        say("block size"): view.block_size or say("none"),
    }
    items = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(str(value))}</dd></div>"
        for name, value in facts.items()
        if value not in (None, "")
    )
    about = f'<p class="muted small">{html.escape(view.note)}</p>' if view.note else ""
    return f'<dl class="facts">{items}</dl>{about}'


def short_number(count: int | None) -> str:
    """134,515,008 as 134.5 M."""
    if count is None:
        return ""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return str(count)
