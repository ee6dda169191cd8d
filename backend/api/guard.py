"""The one guard before every route, ours and Gradio's: host, origin, token, body size, headers.

A plain ASGI wrapper around the whole application, so that no mounted part can be forgotten.
"""

import hmac
import ipaddress
import json
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "studio_token"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
API_BODY_BYTES = 8_000_000
REFUSAL_SECONDS = 0.3  # a wrong token waits, so that guessing is slow
COOKIE_DAYS = 30
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Gradio's page needs inline scripts and eval; nothing may come from or go to another host.
    "content-security-policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'self'"
    ),
}
ASK_FOR_TOKEN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>dLLM Studio</title>
<body style="font-family:system-ui;max-width:32rem;margin:15vh auto;padding:0 1rem"><h1>dLLM Studio</h1>
<p>%s</p><form method="post" action="/login"><label>Token <input name="token" type="password" autofocus
autocomplete="current-password"></label> <button>Open</button></form></body></html>"""


class Refusal(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Guard:
    """ASGI middleware. Without a token the host and origin checks still apply."""

    def __init__(
        self,
        app: ASGIApp,
        token: str | None = None,
        allowed_hosts: Iterable[str] = (),
        max_upload_mb: int = 512,
    ):
        self.app = app
        self.token = token.encode() if token else None
        self.extra_hosts = {host.lower().strip("[]") for host in allowed_hosts} - LOOPBACK
        self.hosts = LOOPBACK | self.extra_hosts
        # A name must be known, for a page elsewhere could make its own name point at us; an address cannot.
        self.any_address = bool(self.extra_hosts) and self.token is not None
        if self.any_address:
            self.hosts = self.hosts | {socket.gethostname().lower()}
        self.upload_bytes = max_upload_mb * 1_000_000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})  # nothing here speaks it
        request = HTTPConnection(scope)
        body = _Body(scope, request.headers, receive, self.upload_bytes)
        send = _with_headers(scope, send, body)
        try:
            self.check_host(request.headers)
            self.check_origin(scope["method"], request.headers)
            if self.token is not None:
                if scope["path"] == "/login" and scope["method"] == "POST":
                    return await self._log_in(scope, receive, send)
                given = request.query_params.get("token")
                if given is not None and scope["method"] in ("GET", "HEAD"):
                    return await self._set_cookie(scope, send, given, _without_token(scope))
                self.check_token(request.headers)
            body.check_announced()
            await self.app(scope, body.receive, send)
        except Refusal as refusal:
            if refusal.status == 401 and (request.headers.get("authorization") or COOKIE in request.cookies):
                await anyio.sleep(REFUSAL_SECONDS)
            await _refuse(scope, request.headers, send, refusal)

    def check_host(self, headers: Headers) -> None:
        """Raises: Refusal where the browser was sent here under a foreign name (DNS rebinding)."""
        name = _host_name(headers.get("host", ""))
        if name in self.hosts or (self.any_address and _is_address(name)):
            return
        raise Refusal(
            421,
            f"This studio does not answer to the name {name!r}. Call it by its own address, or start it with "
            "--allowed-host.",
        )

    def check_origin(self, method: str, headers: Headers) -> None:
        """Raises: Refusal where another site's page makes the browser act here."""
        site = headers.get("sec-fetch-site", "none")
        if method in READING:
            if site == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
                raise Refusal(403, "Another site may not read from this studio.")
            return
        origin = headers.get("origin")
        if origin is None:
            if site in ("same-origin", "none"):  # our own page, or a program that is no browser
                return
        else:
            parts = urlsplit(origin)
            same = parts.netloc.lower() == headers.get("host", "").lower()
            if parts.scheme in ("http", "https") and (same or parts.hostname in self.extra_hosts):
                return
        raise Refusal(403, "Another site may not change anything in this studio.")

    def check_token(self, headers: Headers) -> None:
        """Raises: Refusal without the right token in the Authorization header or the cookie."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return
        if self.is_token(_cookie(headers.get("cookie", ""))):
            return
        raise Refusal(401, "This studio asks for its token.")

    def is_token(self, given: str) -> bool:
        """Compare in constant time."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > 4096 or message["type"] == "http.disconnect":
                raise Refusal(413, "That is too long for a token.")
            if not message.get("more_body"):
                break
        given = dict(parse_qsl(body.decode("utf-8", "replace"))).get("token", "")
        await self._set_cookie(scope, send, given, (scope.get("root_path") or "") + "/")

    async def _set_cookie(self, scope: Scope, send: Send, given: str, target: str) -> None:
        if not self.is_token(given):
            await anyio.sleep(REFUSAL_SECONDS)
            raise Refusal(401, "That is not the token of this studio.")
        cookie = SimpleCookie()
        cookie[COOKIE] = given
        attributes = {"path": "/", "httponly": True, "samesite": "Strict", "max-age": COOKIE_DAYS * 86400}
        for name, value in (attributes | {"secure": scope.get("scheme") == "https"}).items():
            cookie[COOKIE][name] = value
        headers = [
            (b"location", target.encode("latin-1", "replace")),
            (b"set-cookie", cookie[COOKIE].OutputString().encode("latin-1")),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class _Body:
    """Counts what a request sends, announced or not."""

    def __init__(self, scope: Scope, headers: Headers, receive: Receive, upload_bytes: int):
        self.limit = API_BODY_BYTES if scope["path"].startswith("/api/") else upload_bytes
        self.announced = headers.get("content-length", "0")
        self.too_long = False
        self._receive, self._seen = receive, 0

    def check_announced(self) -> None:
        """Raises: Refusal."""
        if not self.announced.isdecimal() or int(self.announced) > self.limit:
            raise Refusal(413, f"The request is too long; at most {self.limit // 1_000_000} MB are taken.")

    async def receive(self) -> Message:
        """The next part of the body; a hang-up in place of what is too much."""
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen <= self.limit:
            return message
        self.too_long = True  # whatever the application answers now goes out as 413
        return {"type": "http.disconnect"}


def caller(request: HTTPConnection) -> str:
    """Who calls, for parts that want a user's name. Whoever gets past the guard owns the home."""
    return "owner"


def _with_headers(scope: Scope, send: Send, body: _Body) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            if body.too_long:
                message["status"] = 413
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if scope["path"].startswith("/api/"):
                headers.setdefault("cache-control", "no-store")
        await send(message)

    return wrapped


async def _refuse(scope: Scope, headers: Headers, send: Send, refusal: Refusal) -> None:
    wants_page = "text/html" in headers.get("accept", "") and not scope["path"].startswith("/api/")
    if wants_page and refusal.status == 401:
        kind, body = "text/html; charset=utf-8", ASK_FOR_TOKEN % refusal.sentence
    else:
        kind, body = "application/json", json.dumps({"error": refusal.sentence})
    data = body.encode()
    fields = [(b"content-type", kind.encode()), (b"content-length", str(len(data)).encode())]
    fields.append((b"cache-control", b"no-store"))
    if refusal.status == 401:
        fields.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": fields})
    await send({"type": "http.response.body", "body": data})


def _without_token(scope: Scope) -> str:
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    path = "/" + quote(scope["path"].lstrip("/\\"))  # "//elsewhere" would lead away from here
    return path + (f"?{rest}" if rest else "")


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(header: str) -> str:
    try:
        cookie = SimpleCookie(header)
    except CookieError:
        return ""
    return cookie[COOKIE].value if COOKIE in cookie else ""
