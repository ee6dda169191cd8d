"""Every route, ours and whatever is mounted, stands behind the same guard."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route

from backend.api.app import create_app
from backend.api.guard import API_BODY_BYTES, HEADERS, Guard
from backend.studio import Studio
from tests.fakes.studio import make_studio

TOKEN = "a-long-enough-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
URL = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with make_studio(tmp_path_factory.mktemp("home")) as studio:
        yield studio


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.api.guard.REFUSAL_SECONDS", 0)


app_of = cache(create_app)


def client(studio: Studio, url: str = URL, **options: Any) -> TestClient:
    return TestClient(app_of(studio, **options), base_url=url, follow_redirects=False)


def all_routes(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of every route, those of included routers and mounted apps too."""
    for route in routes:
        if isinstance(route, Mount):
            yield from all_routes(list(route.routes), prefix + route.path)
            yield "GET", f"{prefix}{route.path}/anything"
        elif (included := getattr(route, "include_context", None)) is not None:
            yield from all_routes(included.included_router.routes, prefix + included.prefix)
        else:
            path = prefix + getattr(route, "path", "")
            for method in getattr(route, "methods", None) or {"GET"}:
                yield method, path.replace("{", "").replace("}", "")


def with_gradio(app: FastAPI) -> FastAPI:
    gradio = pytest.importorskip("gradio")
    with gradio.Blocks() as page:
        button = gradio.Button("Go")
        button.click(lambda: None)
    return gradio.mount_gradio_app(app, page, path="/", ssr_mode=False)


def test_no_route_answers_without_the_token(studio: Studio):
    app = with_gradio(create_app(studio, token=TOKEN))
    found = {*all_routes(app.routes), ("GET", "/"), ("GET", "/config"), ("POST", "/gradio_api/queue/join")}
    assert {("GET", "/api/health"), ("POST", "/api/jobs"), ("GET", "/api/events")} <= found
    assert sum("gradio_api" in path for _, path in found) > 10
    outside = TestClient(app, base_url=URL, follow_redirects=False)
    for method, path in sorted(found):
        assert outside.request(method, path).status_code == 401, (method, path)
    assert outside.get("/api/health", headers=BEARER).status_code == 200
    assert outside.get("/config", headers=BEARER).status_code == 200
    assert "gradio" in outside.get("/", headers=BEARER).text


def test_without_a_token_loopback_is_open(studio: Studio):
    assert client(studio).get("/api/health").status_code == 200
    assert client(studio, "http://localhost:1234").get("/api/health").status_code == 200
    assert client(studio, "http://[::1]:1234").get("/api/health").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Cookie": "studio_token=wrong"},
        {"Cookie": "studio_token"},
        {"Cookie": "\x00;=;;"},
    ],
)
def test_wrong_tokens(studio: Studio, headers: dict):
    answer = client(studio, token=TOKEN).get("/api/health", headers=headers)
    assert answer.status_code == 401 and answer.json()["error"]
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_token_in_the_address_becomes_a_cookie(studio: Studio):
    web = client(studio, token=TOKEN)
    answer = web.get(f"/api/jobs?limit=5&token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/api/jobs?limit=5"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
    assert web.get("/api/jobs?limit=5").status_code == 200  # the client keeps the cookie
    assert client(studio, token=TOKEN).get("/api/jobs?token=wrong").status_code == 401
    assert client(studio, token=TOKEN).post(f"/api/jobs?token={TOKEN}").status_code == 401


def test_the_redirect_stays_here(studio: Studio):
    answer = client(studio, token=TOKEN).get(f"{URL}//evil.example/x?token={TOKEN}")
    assert answer.headers["location"].startswith("/evil.example")
    secure = client(studio, "https://127.0.0.1", token=TOKEN).get(f"/?token={TOKEN}")
    assert "Secure" in secure.headers["set-cookie"]


def test_the_page_asks_for_the_token_and_takes_it(studio: Studio):
    web = client(studio, token=TOKEN)
    page = web.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 401 and 'action="/login"' in page.text
    assert web.post("/login", data={"token": "wrong"}).status_code == 401
    assert web.post("/login", data={"token": "x" * 5000}).status_code == 413
    assert web.post("/login", data={"token": TOKEN}).headers["location"] == "/"
    assert web.get("/api/health").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5", "", "[", "localhost@evil"]
)
def test_foreign_names_are_refused(studio: Studio, host: str):
    """A page elsewhere that makes its own name point at 127.0.0.1 (DNS rebinding)."""
    assert client(studio).get("/api/health", headers={"Host": host}).status_code == 421


def test_names_where_others_may_come(studio: Studio):
    web = client(studio, token=TOKEN, allowed_hosts=("0.0.0.0", "studio.lan"))
    for host, status in {"192.168.1.5:7860": 200, "studio.lan": 200, "evil.example": 421}.items():
        assert web.get("/api/health", headers={**BEARER, "Host": host}).status_code == status
    named = client(studio, allowed_hosts=("studio.lan",))
    assert named.get("/api/health", headers={"Host": "192.168.1.5"}).status_code == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),  # a program
        ({"Origin": URL}, 404),  # our own page
        ({"Origin": "http://localhost:7860"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
def test_only_our_own_page_changes_anything(studio: Studio, method: str, headers: dict, status: int):
    answer = client(studio).request(method, "/api/jobs/train-0001/stop", headers=headers)
    assert answer.status_code in ({404, 405} if status == 404 else {status})


def test_a_proxy_with_an_allowed_name(studio: Studio):
    web = client(studio, token=TOKEN, allowed_hosts=("studio.lan",))
    headers = {**BEARER, "Origin": "https://studio.lan", "Host": "127.0.0.1:7860"}
    assert web.post("/api/jobs/x/stop", headers=headers).status_code == 404


def test_other_sites_cannot_read(studio: Studio):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client(studio).get("/api/jobs", headers=headers).status_code == 403
    headers["Sec-Fetch-Mode"] = "navigate"  # a link to us is fine
    assert client(studio).get("/api/jobs", headers=headers).status_code == 200


def test_long_bodies_are_refused(studio: Studio):
    web = client(studio)
    assert web.post("/api/jobs", content=b"x" * (API_BODY_BYTES + 1)).status_code == 413
    parts = (b" " * 1_000_000 for _ in range(9))
    assert web.post("/api/jobs", content=parts).status_code == 413  # without a length in front
    assert web.post("/api/jobs", content=b"{}", headers={"Content-Length": "x"}).status_code == 413


def test_headers_are_on_every_answer(studio: Studio):
    for answer in (
        client(studio).get("/api/health"),
        client(studio).get("/nowhere"),
        client(studio, token=TOKEN).get("/"),
    ):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_websockets_are_closed():
    async def never(*_: Any) -> None:
        raise AssertionError("a websocket got through")

    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), TestClient(Guard(never)).websocket_connect("/x"):
        pass


def test_the_mounted_app_sees_what_it_is_sent(studio: Studio):
    async def echo(request: Any) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    app = create_app(studio, max_upload_mb=1)
    app.router.routes.append(Route("/echo", echo, methods=["POST"]))
    web = TestClient(app, base_url=URL)
    assert web.post("/echo", content=b"abc").content == b"abc"
    assert web.post("/echo", content=b"x" * 1_000_001).status_code == 413
