"""Slurm's commands as small scripts on PATH: they tell what was asked of them and answer what a test says."""

import json
import os
from pathlib import Path

SCRIPT = """#!/bin/sh
printf '%s\\n' "$(printf '%s\\037' "$@")" >>"{folder}/{name}.asked" # in one piece: others ask meanwhile
env -0 >"{folder}/{name}.env"
cat "{folder}/{name}.answer" 2>/dev/null
cat "{folder}/{name}.error" >&2 2>/dev/null && exit 1
exit 0
"""
SSH = """#!/bin/sh
printf '%s\\n' "$(printf '%s\\037' "$@")" >>"{folder}/ssh.asked"
for last; do :; done
exec sh -c "$last"
"""
AWAY = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


class SlurmCommands:
    """sbatch, squeue, scancel and ssh in `folder`; put it first on PATH."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "squeue", "scancel", "ssh"):
            text = (SSH if name == "ssh" else SCRIPT).replace("{folder}", str(folder)).replace("{name}", name)
            (folder / name).write_text(text)
            (folder / name).chmod(0o700)
        self.answer("sbatch", "12\n")

    @property
    def path(self) -> str:
        return os.pathsep.join([str(self.folder), os.environ["PATH"]])

    def answer(self, name: str, text: str) -> None:
        (self.folder / f"{name}.error").unlink(missing_ok=True)
        (self.folder / f"{name}.answer").write_text(text)

    def fail(self, name: str, text: str = AWAY) -> None:
        (self.folder / f"{name}.error").write_text(text)

    def jobs(self, *lines: tuple[str, str, str]) -> None:
        """What squeue answers: (name, state, reason) each."""
        text = "".join(f"{n}|{name}|{state}|{why}\n" for n, (name, state, why) in enumerate(lines, 12))
        self.answer("squeue", text)

    def asked(self, name: str) -> list[list[str]]:
        """The words of every call."""
        path = self.folder / f"{name}.asked"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split("\037")[:-1] for line in lines]

    def environment(self, name: str) -> dict[str, str]:
        """Of the last call."""
        text = (self.folder / f"{name}.env").read_text()
        return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


def facts(path: Path, **changes) -> None:
    """Change run.json as a supervisor on a node would."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
