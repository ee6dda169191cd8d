"""What studio doctor looks at. Each check yields findings: what is so, and how to mend it if it is wrong."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from jobs.protocol.counted import counted
from jobs.protocol.errors import StudioError
from studio.cli.render import size

OK, WARNING, WRONG = "ok", "warning", "wrong"
SHOWN = ("torch", "transformers", "peft", "accelerate", "deepspeed", "datasets", "gradio", "sqlalchemy")
LITTLE_DISK = 5e9  # bytes; a small model with its checkpoints
NO_DISK = 0.5e9
TORCH_SECONDS = 120

# Asked in a process of its own: a broken torch must not take the doctor with it.
TORCH_QUESTION = """
import json, torch
facts = {"version": torch.__version__, "built_for": torch.version.cuda, "gpus": torch.cuda.device_count()}
print(json.dumps(facts))
"""


class Finding(NamedTuple):
    """One line of the report."""

    subject: str
    state: str
    text: str
    mend: str = ""


def packages(home: Path) -> Iterator[Finding]:
    """Everything that pyproject.toml asks for, in a version that it allows."""
    from importlib import metadata

    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    for line in metadata.requires("dllm-studio") or []:
        need = Requirement(line)
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield Finding("packages", WRONG, f"{need.name} is not installed", _install(need.name))
            continue
        found[need.name] = version
        if not need.specifier.contains(version, prereleases=True):
            yield Finding(
                "packages",
                WRONG,
                f"{need.name} is {version}, needed is {need.specifier}",
                _install(need.name),
            )
    python = ".".join(map(str, sys.version_info[:3]))
    listed = ", ".join(f"{name} {found[name]}" for name in SHOWN if name in found)
    yield Finding("packages", OK, f"Python {python}, {listed}")


def _install(name: str) -> str:
    return f"{sys.executable} -m pip install -c constraints.txt {name}"


def machine(home: Path) -> Iterator[Finding]:
    """Cores, memory, GPUs, and whether torch can use them."""
    import psutil

    from backend.devices import gpus

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory()
    yield Finding(
        "machine",
        OK,
        f"{counted(cores or 1, 'core')}, {size(memory.total)} memory, {size(memory.available)} of it free",
    )
    there = gpus()
    for gpu in there:
        yield Finding("machine", OK, f"{gpu.id}: {gpu.label}")
    if not there:
        yield Finding("machine", OK, "no NVIDIA GPU: jobs run on the CPU")
    try:
        run = subprocess.run(
            [sys.executable, "-c", TORCH_QUESTION], capture_output=True, text=True, timeout=TORCH_SECONDS
        )
        torch = json.loads(run.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        yield Finding(
            "torch", WRONG, "torch cannot be imported", f"{sys.executable} -c 'import torch' says why"
        )
        return
    build = f"built for CUDA {torch['built_for']}" if torch["built_for"] else "built for the CPU"
    if there and not torch["gpus"]:
        mend = "install the torch build that fits your driver (see pytorch.org)"
        yield Finding("torch", WRONG, f"torch {torch['version']} ({build}) does not see the GPU", mend)
    else:
        yield Finding("torch", OK, f"torch {torch['version']}, {build}")


def compiler(home: Path) -> Iterator[Finding]:
    """Where there is no GPU, DeepSpeed builds its communication op; nothing else needs a compiler."""
    lacks = [name for name in ("g++", "ninja") if shutil.which(name, path=_search_path()) is None]
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        lacks.append("Python.h")
    if lacks:
        mend = "apt-get install g++ python3-dev; pip install ninja (only the deepspeed launcher needs them)"
        yield Finding(
            "compiler", WARNING, f"{', '.join(lacks)} missing: DeepSpeed will not run on the CPU", mend
        )
    else:
        yield Finding("compiler", OK, "g++, ninja and Python.h: DeepSpeed can build what it needs")


def _search_path() -> str:
    """PATH with the folder of our own interpreter first, as jobs get it."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def disk(home: Path) -> Iterator[Finding]:
    """Room for checkpoints, where the home lies."""
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    text = f"{size(free)} free for {home}"
    if free < NO_DISK:
        yield Finding("disk", WRONG, text, "studio delete ID removes a finished job; --home moves the folder")
    elif free < LITTLE_DISK:
        yield Finding(
            "disk", WARNING, text, "checkpoints may fill it; studio delete ID removes a finished job"
        )
    else:
        yield Finding("disk", OK, text)


def records(home: Path) -> Iterator[Finding]:
    """The database opens, and every listed model is sound."""
    from backend.studio import Studio

    if not home.exists():
        yield Finding("home", OK, f"{home} does not exist yet; the first job makes it")
        return
    studio = Studio(home)
    try:
        jobs, models = studio.jobs.list(), studio.models.list()
    finally:
        studio.close()
    yield Finding("home", OK, f"{home}: {counted(len(jobs), 'job')}, {counted(len(models), 'model')}")
    for job in jobs:
        if job.state == "lost":
            yield Finding(
                "home", WARNING, f"{job.id} is lost: nothing answers for it", f"studio resume {job.id}"
            )
    for model in models:
        if model.problem:
            yield Finding("model", WARNING, f"{model.name}: {model.problem}", f"look into {model.path}")


def server(home: Path) -> Iterator[Finding]:
    """Whether a studio runs over this home, and whether one could."""
    from backend.server_lock import ServerLock
    from studio.settings import load

    there = ServerLock.holder(home)
    if there:
        yield Finding("server", OK, f"a studio runs at {there['url']}")
        return
    settings = load({"home": home})
    if settings.port and _answers(settings.host, settings.port):
        text = f"port {settings.port}, set for this home, is taken by another program"
        yield Finding("server", WARNING, text, "studio launch --port NUMBER, or change settings.toml")
    else:
        yield Finding("server", OK, "none runs; studio launch starts one")


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


CHECKS: dict[str, Callable[[Path], Iterator[Finding]]] = {
    "packages": packages,
    "machine": machine,
    "compiler": compiler,
    "disk": disk,
    "home": records,
    "server": server,
}


def examine(home: Path) -> Iterator[Finding]:
    """Every check; one that breaks is a finding too."""
    for name, check in CHECKS.items():
        try:
            yield from check(home)
        except StudioError as error:
            yield Finding(name, WRONG, str(error))
        except Exception as error:  # noqa: BLE001  a doctor must answer on the sickest machine
            yield Finding(name, WRONG, f"the check itself failed ({type(error).__name__}: {error})")
