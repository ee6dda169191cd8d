"""`studio launch`: the server with the page, or the API alone."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.protocol.errors import AccessError, ResourceError, StudioError
from jobs.protocol.states import TERMINAL, State

if TYPE_CHECKING:
    from backend.studio import Studio
    from studio.settings import Settings

FIRST_PORT = 7860
PORTS_TRIED = 21
SHORTEST_TOKEN = 12  # characters, where others can reach the server
SHUTDOWN_SECONDS = 3
DEMO_RECIPE = "sudoku-4x4"
DEMO_MODEL = "stories"

log = logging.getLogger("studio.launch")


def launch(
    headless: Annotated[
        bool | None, typer.Option("--headless/--page", help="Serve the API only, without the page.")
    ] = None,
    demo: Annotated[
        bool | None, typer.Option("--demo", help="Start a small training and open the playground.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; any but 127.0.0.1 needs a token.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; without it the first free one from 7860, 0: any.")
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="Folder with your runs, models and data.", show_default="~/.dllm-studio"),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Ask everybody for this (better: STUDIO_TOKEN, or HOME/token).")
    ] = None,
    open_browser: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = None,
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="Another host name by which the server may be called.")
    ] = None,
) -> None:
    """Start the studio. Jobs go on when it is stopped."""
    from studio.settings import load

    flags = {"headless": headless, "demo": demo, "host": host, "port": port, "home": home, "token": token}
    settings = load({**flags, "open_browser": open_browser, "allowed_hosts": allowed_host or None})
    check_exposure(settings)
    serve(settings)


def check_exposure(settings: "Settings") -> None:
    """Refuse to be reachable from elsewhere without a token. Raises: AccessError."""
    if settings.loopback:
        return
    where = f"--host {settings.host} can be reached from other machines"
    if settings.token is None:
        raise AccessError(
            f"{where}, so a token is needed. Set STUDIO_TOKEN, give --token, or write one to "
            f"{settings.home / 'token'} (mode 600). For this machine alone, leave --host out."
        )
    if len(settings.token) < SHORTEST_TOKEN:
        raise AccessError(f"{where}, so the token must have at least {SHORTEST_TOKEN} characters.")


def serve(settings: "Settings") -> None:
    """Hold the home, open the port and serve until a signal comes.

    Raises: ResourceError for a home or port that is in use.
    """
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")
    from backend.server_lock import ServerLock
    from backend.store.engine import prepare_home
    from backend.studio import Studio

    print("Starting the studio ...", flush=True)
    prepare_home(settings.home)
    lock = ServerLock(settings.home)
    lock.acquire()
    try:
        write_server_log(settings.home)
        with open_port(settings) as listener, Studio(settings.home) as studio:
            settings = replace(settings, port=listener.getsockname()[1])
            lock.note(settings.url)
            run_server(settings, studio, listener)
    finally:
        lock.release()


def run_server(settings: "Settings", studio: "Studio", listener: socket.socket) -> None:
    """Build the app and run it on an open socket."""
    import uvicorn

    from backend.api.app import create_app

    studio.start()
    studio.sampling.idle_seconds = settings.idle_seconds
    names = (*settings.allowed_hosts, settings.host)
    app = create_app(studio, token=settings.token, allowed_hosts=names, max_upload_mb=settings.max_upload_mb)
    if not settings.headless:
        from backend.api.guard import caller
        from ui.app import mount

        mount(app, studio, settings=settings, guard=caller)
    if settings.demo:
        start_demo(studio)

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            app.state.closing.set()  # streams end, or the shutdown would wait for them
            super().handle_exit(sig, frame)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce(settings)

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # uvicorn raises the signal again after its shutdown; by then there is nothing left to interrupt.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    Server(config).run(sockets=[listener])
    farewell(studio)


def open_port(settings: "Settings") -> socket.socket:
    """A bound socket. Raises: ResourceError where the port is taken or the address is not ours."""
    if settings.port is not None:
        return bind(settings.host, settings.port)
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        try:
            found = bind(settings.host, port)
        except PortTaken:
            continue
        if port != FIRST_PORT:
            print(f"Port {FIRST_PORT} is in use; this studio takes {port}.", flush=True)
        return found
    last = FIRST_PORT + PORTS_TRIED - 1
    raise ResourceError(f"All ports from {FIRST_PORT} to {last} are in use; choose one with --port.")


class PortTaken(ResourceError):
    """Another program listens there."""


def bind(host: str, port: int) -> socket.socket:
    """One bound socket. Raises: PortTaken, ResourceError."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise ResourceError(f"--host {host}: there is no such address.") from None
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)  # a second server that bound the same port fails here
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"Port {port} is in use by another program. Choose another with --port, or leave --port out "
                "to take the next free one."
            ) from None
        raise ResourceError(f"{host}:{port} cannot be listened on: {error.strerror}.") from None
    return listener


def start_demo(studio: "Studio") -> None:
    """Warm the playground's model and start a small training, unless they run already."""
    try:
        if any(view.name == DEMO_MODEL and not view.problem for view in studio.models.list()):
            studio.sampling.warm(DEMO_MODEL)
        recipe = studio.training.recipe(DEMO_RECIPE)
        under_way = studio.jobs.list(states=[s for s in State if s not in TERMINAL], kinds=["train"])
        if not any(job.name == recipe.title for job in under_way):
            studio.jobs.submit(recipe.spec)
    except StudioError as error:  # the studio is useful without its demo
        print(f"The demo training was not started: {error}", file=sys.stderr, flush=True)


def announce(settings: "Settings") -> None:
    """Say where the studio is, and open it."""
    what = "API" if settings.headless else "Studio"
    page = settings.url + ("/?tab=playground" if settings.demo else "/")
    print(f"{what} on {settings.url if settings.headless else page}", flush=True)
    if settings.token is not None:
        print("It asks for your token.", flush=True)
    print("Ctrl-C stops the server; jobs go on without it.", flush=True)
    if settings.open_browser and not settings.headless and has_display():
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()


def has_display() -> bool:
    """Whether a browser could show itself here."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def farewell(studio: "Studio") -> None:
    """Say what goes on without us."""
    running = studio.jobs.list(states=[State.STARTING, State.RUNNING, State.STOPPING])
    names = ", ".join(job.id for job in running)
    print(f"Stopped. Still running: {names}." if running else "Stopped. No job is running.", flush=True)


def write_server_log(home: Path) -> None:
    """Warnings to the terminal; everything to <home>/server.log, which never grows beyond 2 MB."""
    from logging.handlers import RotatingFileHandler

    path = home / "server.log"
    path.touch(mode=0o600)
    to_file = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1, encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_terminal = logging.StreamHandler()
    to_terminal.setLevel(logging.WARNING)
    to_terminal.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[to_file, to_terminal], force=True)
