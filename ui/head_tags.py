"""Our scripts and styles as real tags in the page's head.

Gradio adds a `head` only after its own start, one tag at a time and in no sure order: the page would show
without its styles first, and components would look for scripts that are not there yet. So the tags go into
the page as it leaves the server, and with them the language of the one who asked.
"""

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.words import ENGLISH, language_of

START, END = b"<head>", b"</head>"


def scripts(names: Iterable[str], prefix: str) -> str:
    """Deferred scripts: they run in this order."""
    return "".join(f'<script src="{prefix}/{name}" defer></script>' for name in names if name.endswith(".js"))


def styles(names: Iterable[str], prefix: str) -> str:
    """Links to style sheets, in this order."""
    links = [f'<link rel="stylesheet" href="{prefix}/{name}">' for name in names if name.endswith(".css")]
    return "".join(links)


class HeadTags:
    """ASGI middleware for the page at "/": our scripts come before Gradio's, our styles after its."""

    def __init__(self, app: ASGIApp, names: Iterable[str], prefix: str):
        names = list(names)
        self.app = app
        self.prefix = prefix
        self.scripts = scripts(names, prefix)
        self.last = styles(names, prefix).encode() + END

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
            language = language_of(Headers(scope=scope))
            page = bytes(body).replace(b'lang="en"', f'lang="{language}"'.encode(), 1)
            page = page.replace(START, START + self.first(language).encode(), 1).replace(END, self.last, 1)
            MutableHeaders(scope=held[0])["content-length"] = str(len(page))
            await send(held[0])
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, collect)

    def first(self, language: str) -> str:
        """What comes before Gradio's own tags: the catalogue before the scripts that use it."""
        catalogue = [] if language == ENGLISH else [f"words-{language}.js"]
        return '<link rel="icon" href="data:,">' + scripts(catalogue, self.prefix) + self.scripts
