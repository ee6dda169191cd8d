"""A job as a task of SkyPilot, which runs the same folder on a cloud, a Kubernetes or a Slurm cluster.

The task copies the run folder and what its spec names to the same paths there. The first node starts the same
supervisor in the same attempt, the others their part of the launcher. The form of a task is SkyPilot's
(https://docs.skypilot.co/en/latest/reference/yaml-spec.html).
"""

import os
import shlex
import time
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import yaml

from jobs import launch
from jobs.protocol.errors import JobError, SpecError
from jobs.protocol.folder import AttemptFolder, RunFolder, write_json
from jobs.specs import mix
from jobs.specs.job import HERE_ONLY, JobSpec

THERE = "$HOME/dllm-studio"  # the environment that setup makes

ABOUT = """\
# {run}, attempt {attempt}, for SkyPilot. Start it, look at it, bring its folder back, end the machines:
#     sky launch -c {run} {file}
#     sky logs {run}
#     rsync -az {run}:{path}/ {here}/
#     sky down {run}
# `studio doctor --rebuild` then shows the run with its curves and checkpoints.
"""

SETUP = """\
pip install --quiet uv
uv venv --quiet --python 3.11 "{there}"
uv pip install --quiet --python "{there}/bin/python" {package}
"""

RUN = """\
export PATH="{there}/bin:$PATH"
if [ "$SKYPILOT_NODE_RANK" = 0 ]; then
  python -m jobs.supervisor {run} {attempt} --foreground
  test -e {result}
else
  {part}
fi
"""


class Scripts(yaml.SafeDumper):
    """Writes a text of several lines as it is, for people to read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Scripts.add_representer(str, _text)


def export(
    spec: JobSpec, run: RunFolder, program: str, nodes: int = 1, gpus: str = "", file: str = "task.yaml"
) -> str:
    """The task's YAML. Makes the attempt that it will run in.

    `gpus` of each node as SkyPilot names them: H100:8. Raises: SpecError, JobError.
    """
    check(spec, nodes, gpus)
    attempt = run.new_attempt()
    part = ["python", "-m", "jobs.executors.node", str(run.path), str(attempt.number), program]
    facts = {"executor": "skypilot", "cookie": uuid.uuid4().hex, "command": part, "devices": [], "port": None}
    write_json(attempt.run_json, facts | {"boot_id": None, "created_at": time.time()})
    about = {"run": run.id, "attempt": attempt.number, "file": shlex.quote(file)}
    about |= {"path": shlex.quote(str(run.path)), "here": shlex.quote(str(run.path))}
    data = task(spec, run, attempt, part, nodes, gpus)
    away = [f"# Not copied, for it is not here: {path}\n" for path in named(spec) if not os.path.exists(path)]
    return (
        ABOUT.format(**about)
        + "".join(away)
        + "\n"
        + yaml.dump(data, Dumper=Scripts, sort_keys=False, allow_unicode=True)
    )


def check(spec: JobSpec, nodes: int, gpus: str) -> None:
    """Whether the job can be run so. Raises: SpecError, JobError."""
    if spec.kind in HERE_ONLY:
        raise JobError(f"A {spec.kind} job answers the page and runs on this machine.")
    if spec.launcher.device != "cpu" and not gpus:
        advice = f"--gpus H100:{spec.launcher.processes}, or set launcher.device to cpu"
        raise SpecError(f"Say which GPUs a machine has: {advice}.")
    if nodes > 1 and spec.launcher.name == "python":
        raise SpecError("python runs on one machine; for several set launcher.name to torchrun.")


def task(
    spec: JobSpec, run: RunFolder, attempt: AttemptFolder, part: list[str], nodes: int, gpus: str
) -> dict[str, Any]:
    """The task as data."""
    source = launch.source_root()
    package = "." if source else shlex.quote(f"dllm-studio=={version('dllm-studio')}")
    quoted = {"run": shlex.quote(str(run.path)), "result": shlex.quote(str(run.result_json))}
    on_cpu = {"cpus": f"{spec.launcher.processes}+"}
    return {
        "name": run.id,
        **({"workdir": source} if source else {}),
        "num_nodes": nodes,
        "resources": {"accelerators": gpus} if gpus else on_cpu,
        "file_mounts": {path: path for path in [str(run.path), *filter(os.path.exists, named(spec))]},
        "setup": SETUP.format(there=THERE, package=package),
        "run": RUN.format(there=THERE, attempt=attempt.number, part=shlex.join(part), **quoted),
    }


def named(spec: JobSpec) -> list[str]:
    """Absolute paths that the spec names: what it reads, and folders that it may write."""
    return [*dict.fromkeys(_paths(spec.model_dump(mode="json", exclude={"slurm"})))]


def _paths(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _paths(inner, f"{key}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, key)
    elif isinstance(value, str) and key == ".data.path":
        yield from (part.name for part in mix.parse(value) if os.path.isabs(part.name))
    elif isinstance(value, str) and os.path.isabs(value) and "\n" not in value:
        yield value
