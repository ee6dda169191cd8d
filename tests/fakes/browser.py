"""A real server with its page, and a browser that watches itself, for tests and for the pictures."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from jobs.launch import source_root
from jobs.protocol.folder import RunFolder
from tests.fakes.processes import living

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = (1440, 1000), (390, 844)


class PageServer:
    """`studio launch` over a home of its own, on any free port unless one is named."""

    def __init__(self, home: Path, port: int = 0, more: Sequence[str] = ("--no-open",)):
        self.home = home
        argv = [
            sys.executable,
            "-m",
            "studio.cli.main",
            "launch",
            "--home",
            str(home),
            "--port",
            str(port),
            *more,
        ]
        self.process = subprocess.Popen(
            argv,
            cwd=source_root(),
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        assert self.process.stdout is not None
        while not (match := re.search(r"http://\S+?(?=/?\s)", self.said)):
            line = self.process.stdout.readline()
            assert line, f"the server left: {self.said}"
            self.said += line
        self.url = match[0]
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        for line in self.process.stdout or ():
            self.said += line

    def share_of_a_core(self, seconds: float) -> float:
        """Processor time of the server alone over some seconds, in percent of a core."""
        process = psutil.Process(self.process.pid)
        began = sum(process.cpu_times()[:2])
        time.sleep(seconds)
        return 100 * (sum(process.cpu_times()[:2]) - began) / seconds

    def end(self) -> None:
        """Stop the server and whatever its jobs left."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for path in (self.home / "runs").glob("*-*"):
            for process in living(RunFolder(path)):
                process.kill()


def launch(playwright: Any) -> Any:
    """Chromium without a window."""
    return playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)


def watch(page: Any, url: str) -> list[str]:
    """The list into which this page's errors and foreign requests go."""
    found: list[str] = []
    own = (url, "data:", "blob:")
    page.on("console", lambda m: found.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda e: found.append(f"page: {e}"))
    page.on("request", lambda r: None if r.url.startswith(own) else found.append(f"foreign: {r.url}"))
    page.on("response", lambda r: found.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    return found


def go(page: Any, url: str, tab: str, dark: bool = False) -> None:
    """Open a tab by its address and wait until Gradio has drawn it."""
    page.goto(f"{url}/?tab={tab}&__theme={'dark' if dark else 'light'}")
    page.get_by_role("tab", name=tab.capitalize(), exact=True).and_(page.locator(".selected")).wait_for()
