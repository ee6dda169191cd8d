"""Our scripts and styles as real tags in the page's head.

Gradio adds a `head` only after its own start, one tag at a time and in no sure order: the page would show
without its styles first, and components would look for scripts that are not there yet. So the tags go into
the page as it leaves the server, and with them the language of the one who asked.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.words import ENGLISH, language_of

START, END = b"<head>", b"</head>"


class HeadTags:
    """ASGI middleware for the page at "/": our scripts come before Gradio's, our styles after its.

    `prefix` and `version` make the addresses: /static/studio.js?v=1a2b3c.
    """

    def __init__(self, app: ASGIApp, prefix: str, version: str):
        self.app = app
        self.address = f"{prefix}/{{}}?v={version}".format
        self.last = f'<link rel="stylesheet" href="{self.address("studio.css")}">'.encode() + END

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
        """What comes before Gradio's own tags. Deferred scripts run in their order: the catalogue first."""
        names = ["studio.js"] if language == ENGLISH else [f"words-{language}.js", "studio.js"]
        scripts = [f'<script src="{self.address(name)}" defer></script>' for name in names]
        return '<link rel="icon" href="data:,">' + "".join(scripts)
