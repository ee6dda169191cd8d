"""The playground: a model, a text with gaps, a sampler, and the canvas on which it is unmasked."""

import html
import random
from pathlib import Path
from typing import Any

import gradio as gr

from backend.services.checkpoints import ModelView
from jobs.protocol.errors import StudioError
from jobs.specs.sampler import LLaDASampler
from ui import forms
from ui.components.chat_log import ChatLog
from ui.components.denoise_canvas import DenoiseCanvas
from ui.page import Page

COMPLETE, CHAT, INFILL, GRID = "Complete", "Chat", "Infill", "Grid"
SAMPLER_FIELDS = [name for name in LLaDASampler.model_fields if name != "name"]
TEXT_ONLY = {
    "max_new_tokens",
    "block_size",
    "cfg_scale",
    "suppress_eos",
    "delay_eos",
}  # a grid has none of these
PUZZLES = Path(__file__).parents[2] / "assets" / "data" / "sudoku-puzzles.txt"
CANCEL = """() => {
  const request = window.studio.params.sample;
  if (request) window.studio.call("POST", `/api/samples/${request}/cancel`)
    .catch((error) => window.studio.toast(error.message, "bad"));
}"""


def build(page: Page) -> None:
    """Draw the tab."""
    models = choices(page)
    first = page.studio.models.get(models[0]) if models else None
    with gr.Row(elem_classes="play"):  # in the order of a phone; wide screens place them by grid areas
        with gr.Column(elem_classes="card setup"):
            parts = setup_panel(models, first)
        with gr.Column(elem_classes="stack stage"):
            chat = ChatLog(visible=False, elem_id="play-chat")
            canvas = DenoiseCanvas(elem_id="play-canvas")
        with gr.Column(elem_classes="card sampler"):
            sampler = sampler_panel(first)
    parts |= sampler | {"chat": chat, "canvas": canvas}
    wire(page, parts)


def setup_panel(models: list[str], first: ModelView | None) -> dict[str, Any]:
    """Model, mode and what to write."""
    parts: dict[str, Any] = {
        "model": gr.Dropdown(
            models,
            value=first.name if first else None,
            label="Model",
            info="Diffusion models only; make others into one in the Convert tab.",
            elem_id="play-model",
            elem_classes="field",
        ),
        "facts": gr.HTML(facts_html(first), elem_id="play-facts"),
        "mode": gr.Radio(
            modes(first),
            value=modes(first)[0],
            show_label=False,
            label="Mode",
            elem_id="play-mode",
            elem_classes="field seg",
        ),
    }
    parts |= contents(first)
    with gr.Row(elem_classes="start-stop"):
        parts["go"] = gr.Button("Generate", variant="primary", elem_id="play-go")
        parts["stop"] = gr.Button("Stop", elem_id="play-stop")
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

    start = "The model goes on from here. Empty: it starts from nothing."
    talk = "Written in the model's own chat format; earlier turns are kept."
    gaps = "Type ____ where the model should write."
    cells = "Cell by cell; a dot is blank. Type your own or take a new one."
    return {
        "prompt": box("prompt", "Prompt", start, COMPLETE),
        "message": box("message", "Message", talk, CHAT),
        "infill": box("infill", "Text with gaps", gaps, INFILL),
        "blanks": gr.Number(
            8,
            label="Tokens a gap",
            info="How many masks stand for each ____.",
            precision=0,
            minimum=1,
            maximum=512,
            elem_id="play-blanks",
            elem_classes="field",
            visible=False,
        ),
        "grid": box(
            "grid",
            "Puzzle",
            cells,
            GRID,
            value=new_puzzle(first),
            lines=9,
            max_lines=9,
            elem_classes="field mono",
        ),
        "puzzle": gr.Button("New puzzle", elem_id="play-puzzle", visible=shows(first, GRID)),
    }


def sampler_panel(first: ModelView | None) -> dict[str, Any]:
    """The sampler's settings, drawn from its spec."""
    with gr.Accordion("Sampler", elem_id="play-sampler"):
        values = forms.write(LLaDASampler, SAMPLER_FIELDS, first.sampler if first else {})
        pairs = zip(forms.fields(LLaDASampler, SAMPLER_FIELDS), values, strict=True)
        controls = [
            forms.component(field, "sampler", label=field.name, value=value) for field, value in pairs
        ]
        seed = gr.Number(
            0,
            label="seed",
            info="Same seed, same text.",
            precision=0,
            minimum=0,
            maximum=2**31 - 1,
            elem_id="play-seed",
            elem_classes="field",
        )
        reset = gr.Button("Reset to the model's preset", elem_id="play-reset", size="sm")
    return {"controls": controls, "seed": seed, "reset": reset}


def wire(page: Page, p: dict[str, Any]) -> None:
    """What the controls do."""
    quick: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "queue": False}
    inputs = [p["prompt"], p["message"], p["infill"], p["blanks"], p["grid"]]
    turns = gr.State([])

    def chosen(name: str) -> list[Any]:
        view = page.studio.models.get(name) if name else None
        mode = modes(view)[0]
        puzzle = new_puzzle(view) if view and view.grid else gr.skip()
        preset = preset_updates(view)
        picked = gr.Radio(choices=modes(view), value=mode)
        return [facts_html(view), picked, puzzle, *visibility(mode), *preset, [], ""]

    shown = [*inputs, p["puzzle"], p["chat"]]
    p["model"].change(
        chosen,
        p["model"],
        [p["facts"], p["mode"], p["grid"], *shown, *p["controls"], turns, p["problem"]],
        **quick,
    )
    p["mode"].change(visibility, p["mode"], shown, **quick)

    def preset_of(name: str) -> list[Any]:
        return preset_updates(page.studio.models.get(name) if name else None)

    p["reset"].click(preset_of, p["model"], p["controls"], **quick)
    p["puzzle"].click(
        lambda name: new_puzzle(page.studio.models.get(name)) if name else "", p["model"], p["grid"], **quick
    )

    def generate(
        name: str,
        mode: str,
        prompt: str,
        message: str,
        infill: str,
        blanks: int,
        grid: str,
        seed: int,
        past: list[dict[str, str]],
        *sampler: Any,
    ) -> list[Any]:
        try:
            if not name:
                raise StudioError("Choose a model first. Convert one if there is none.")
            talk = [*heard(page, past), {"role": "user", "content": message or ""}] if mode == CHAT else past
            content = {
                COMPLETE: {"prompt": prompt or ""},
                CHAT: {"messages": [{"role": t["role"], "content": t["content"]} for t in talk]},
                INFILL: {"infill": infill or "", "blanks": int(blanks or 8)},
                GRID: {"grid": "".join((grid or "").split())},
            }[mode]
            check(mode, content)
            settings = forms.read(LLaDASampler, SAMPLER_FIELDS, sampler)
            handle = page.studio.sampling.generate(name, **content, sampler=settings, seed=int(seed or 0))
        except StudioError as error:
            return [gr.skip(), past, gr.skip(), gr.skip(), note(str(error))]
        if mode == CHAT:
            talk[-1]["request"] = handle.request
        return [{"request": handle.request}, talk, {"turns": talk}, "" if mode == CHAT else gr.skip(), ""]

    p["go"].click(
        generate,
        [p["model"], p["mode"], *inputs, p["seed"], turns, *p["controls"]],
        [p["canvas"], turns, p["chat"], p["message"], p["problem"]],
        **quick,
    )
    p["stop"].click(fn=None, js=CANCEL)


def choices(page: Page) -> list[str]:
    """Names of the models that can denoise."""
    return [view.name for view in page.studio.models.list() if view.is_dllm and not view.problem]


def modes(view: ModelView | None) -> list[str]:
    """What a model can be asked, the most telling first."""
    if view is None:
        return [COMPLETE]
    if view.task == "grid":
        return [GRID]
    return [COMPLETE, CHAT, INFILL] if view.chat else [COMPLETE, INFILL]


def shows(view: ModelView | None, mode: str) -> bool:
    return modes(view)[0] == mode


def preset_updates(view: ModelView | None) -> list[Any]:
    """The sampler's controls for a model: its preset, and only what it has a use for."""
    values = forms.write(LLaDASampler, SAMPLER_FIELDS, view.sampler if view else {})
    grid = view is not None and view.task == "grid"
    return [
        gr.update(value=value, visible=not (grid and name in TEXT_ONLY))
        for name, value in zip(SAMPLER_FIELDS, values, strict=True)
    ]


def visibility(mode: str) -> list[Any]:
    """Updates for prompt, message, infill, blanks, grid, the puzzle button and the chat log."""
    return [gr.update(visible=mode == m) for m in (COMPLETE, CHAT, INFILL, INFILL, GRID, GRID, CHAT)]


def check(mode: str, content: dict[str, Any]) -> None:
    """Raises: StudioError for what cannot be asked."""
    if mode == INFILL and "____" not in content["infill"]:
        raise StudioError("There is no gap: type ____ (four underscores) where the model should write.")
    if mode == CHAT and not content["messages"][-1]["content"].strip():
        raise StudioError("Write a message first.")


def heard(page: Page, past: list[dict[str, str]]) -> list[dict[str, str]]:
    """The talk so far with the model's last answer, which the page's server never saw pass."""
    talk = [dict(turn) for turn in past]
    if talk and talk[-1]["role"] == "user":
        answer = page.studio.sampling.answer(talk[-1].get("request", ""))
        if answer:
            talk.append({"role": "assistant", "content": answer})
        else:
            talk.pop()  # it was stopped or failed: ask anew
    return talk


def new_puzzle(view: ModelView | None) -> str:
    """A puzzle of the model's size, a row a line; empty for models without a grid."""
    if view is None or not view.grid:
        return ""
    columns, size = view.grid["columns"], view.grid["rows"] * view.grid["columns"]
    fitting = [line for line in PUZZLES.read_text().split() if len(line) == size]
    cells = random.choice(fitting) if fitting else "." * size  # an empty grid is a puzzle too
    return "\n".join(cells[i : i + columns] for i in range(0, size, columns))


def facts_html(view: ModelView | None) -> str:
    """One line about the model; everything in it is escaped."""
    if view is None:
        return '<p class="muted small">No diffusion model yet. Make one in the Convert tab.</p>'
    facts = {
        "family": view.family,
        "parameters": forms_number(view.parameters),
        "numbers": view.dtype,
        "mask id": view.mask_token_id,
        "shift": "on" if view.shifted else "off",
        "block size": view.block_size or "none",
    }
    items = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(str(value))}</dd></div>"
        for name, value in facts.items()
        if value not in (None, "")
    )
    about = f'<p class="muted small">{html.escape(view.note)}</p>' if view.note else ""
    return f'<dl class="facts">{items}</dl>{about}'


def forms_number(count: int | None) -> str:
    """134,515,008 as 134.5 M."""
    if count is None:
        return ""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return str(count)


def note(text: str) -> str:
    """A sentence about what went wrong, beside its cause."""
    icon = '<span class="i i-warn"></span>'
    return f'<div class="note bad" role="alert">{icon}<span>{html.escape(text)}</span></div>'
