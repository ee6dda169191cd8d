"""Our scripts and styles as real tags in the page's head.

Gradio adds a `head` only after its own start, one tag at a time and in no sure order: the page would show without
its styles first, and components would look for scripts that are not there yet. So the tags are written into the
page as it leaves the server.
"""

from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK = b"<head>"


def tags(names: Iterable[str], prefix: str) -> str:
    """Links and deferred scripts for these files; deferred ones run in this order, before Gradio's own."""
    found = ['<link rel="icon" href="data:,">']
    for name in names:
        if Path(name).suffix == ".css":
            found.append(f'<link rel="stylesheet" href="{prefix}/{name}">')
        else:
            found.append(f'<script src="{prefix}/{name}" defer></script>')
    return "".join(found)


class HeadTags:
    """ASGI middleware: writes the tags behind <head> of the page at "/"."""

    def __init__(self, app: ASGIApp, html: str):
        self.app, self.html = app, MARK + html.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        held: list[Message] = []
        body = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            page = bytes(body).replace(MARK, self.html, 1)
            headers = MutableHeaders(scope=held[0])
            headers["content-length"] = str(len(page))
            await send(held[0])
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, collect)
