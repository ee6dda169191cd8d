"""The page: its frame, its tabs, and how it is mounted into the server."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from backend.api.sharing import attached
from backend.services.lanes import MOST
from ui.bundle import ASK_AGAIN, FOR_GOOD, TYPES, bundle, version
from ui.components.frame_bar import FrameBar
from ui.film_page import film_page
from ui.head_tags import HeadTags
from ui.page import Page
from ui.tabs import compare, convert, data, home, jobs, models, playground, train
from ui.theme import theme
from ui.words import language_of, say

if TYPE_CHECKING:
    from backend.studio import Studio

STATIC = "/static"
# Gradio looks into its queue each millisecond and for progress, which nothing here reports by it, each ten.
QUEUE_SECONDS, PROGRESS_SECONDS = 0.1, 1.0


# One entry and one file a tab: `build(page)` draws it, `id` is its place in the address (?tab=jobs).
TABS: dict[str, Callable[[Page], None]] = {
    "home": home.build,
    "playground": playground.build,
    "data": data.build,
    "train": train.build,
    "convert": convert.build,
    "jobs": jobs.build,
    "compare": compare.build,
    "models": models.build,
}
TITLES = {
    "home": say("Home"),
    "playground": say("Playground"),
    "data": say("Data"),
    "train": say("Train"),
    "convert": say("Convert"),
    "jobs": say("Jobs"),
    "compare": say("Compare"),
    "models": say("Models"),
}


def build(studio: "Studio", settings: Any = None) -> gr.Blocks:
    """The whole page over a studio."""
    with gr.Blocks(title="dLLM Studio", fill_width=True, analytics_enabled=False) as blocks:
        FrameBar(elem_id="frame")
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            for name, draw in TABS.items():
                with gr.Tab(TITLES[name], id=name, elem_id=f"{name}-page") as tab:
                    draw(Page(studio=studio, settings=settings, tabs=tabs, tab=tab))
    return blocks


def mount(
    app: FastAPI,
    studio: "Studio",
    *,
    settings: Any = None,
    guard: Callable[..., Any] | None = None,
) -> None:
    """Put the page at "/" and its scripts and styles under /static."""
    files = bundle()
    current = version(files)

    @app.get(STATIC + "/{name}", include_in_schema=False)
    def static(name: str, v: str = "") -> Response:
        if name not in files:
            return PlainTextResponse("There is no such file.", status_code=404)
        headers = FOR_GOOD if v == current else ASK_AGAIN
        return Response(files[name], media_type=TYPES[Path(name).suffix], headers=headers)

    @app.get("/gradio_api/heartbeat/{session}", include_in_schema=False)
    def heartbeat(session: str) -> Response:
        """None: it would hold one of the six connections that all tabs of a browser share, for nothing that
        is used here. With it, three tabs and their event streams let no other request through."""
        return Response(status_code=204)  # an event source does not ask again

    export_pages(app, studio)
    app.add_middleware(HeadTags, prefix=STATIC, version=current)
    blocks = build(studio, settings)
    blocks._queue.sleep_when_free = QUEUE_SECONDS
    blocks._queue.progress_update_sleep_when_free = PROGRESS_SECONDS
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        auth_dependency=guard,
        theme=theme(),
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        show_error=False,
    )


def export_pages(app: FastAPI, studio: "Studio") -> None:
    """Routes of texts as pages that play by themselves; they are here because the scripts are."""

    def page(requests: list[str], asked: Request) -> HTMLResponse:
        documents = [studio.sharing.document(request) for request in requests]
        content = film_page(documents, language_of(asked.headers))
        return HTMLResponse(content, headers=attached(requests[0], "html"))

    @app.get("/api/samples/{request}/export.html", include_in_schema=False)
    def one(request: str, asked: Request) -> HTMLResponse:
        return page([request], asked)

    @app.get("/api/lanes/{requests}/export.html", include_in_schema=False)
    def lanes(requests: str, asked: Request) -> HTMLResponse:
        return page(requests.split(",")[:MOST], asked)
