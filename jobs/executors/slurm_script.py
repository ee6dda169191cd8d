"""The batch script of an attempt: readable, and Slurm may start it again."""

import shlex

from jobs import launch
from jobs.protocol.folder import RunFolder
from jobs.specs.job import JobSpec
from jobs.specs.slurm import SlurmSpec

ON_CPU = ("convert", "prepare")  # kinds that a GPU is no good for

BODY = """\
run={run}
stop={stop}

# Asked to leave, by the time limit or by hand: the stop file makes the program save and leave.
leave() {{ [ -e "$stop" ] || : >"$stop"; }}
limit=
trap leave TERM
trap 'limit=yes; leave' USR1

{setup}if [ "${{SLURM_RESTART_COUNT:-0}}" -gt 0 ]; then
  {python} -m jobs.executors.restart "$run" {number} "$SLURM_RESTART_COUNT"
fi
{python} -m jobs.supervisor "$run" {number} --foreground &
supervisor=$!
while wait "$supervisor"; code=$?; kill -0 "$supervisor" 2>/dev/null; do
  :  # a signal came while it waited
done
{after}exit "$code"
"""

REQUEUE = """\
if [ -n "$limit" ] && [ ! -s "$stop" ] && ! grep -qs '"status": "succeeded"' "$run/result.json"; then
  scontrol requeue "$SLURM_JOB_ID"
fi
"""


def options(spec: JobSpec, slurm: SlurmSpec, name: str) -> list[str]:
    """The options of sbatch, one a line of the script."""
    found = [f"--job-name={name}", f"--nodes={slurm.nodes}", "--ntasks-per-node=1"]
    named = {
        "partition": slurm.partition,
        "account": slurm.account,
        "qos": slurm.qos,
        "gres": gres(spec, slurm),
        "cpus-per-task": slurm.cpus,
        "mem": slurm.memory,
        "time": slurm.time_limit,
    }
    found += [f"--{option}={value}" for option, value in named.items() if value]
    found.append(f"--signal=B:USR1@{slurm.save_seconds}")
    returns = slurm.requeue or slurm.at_time_limit == "requeue"
    found += ["--requeue" if returns else "--no-requeue", "--open-mode=append", "--chdir=/"]
    return found + slurm.lines


def gres(spec: JobSpec, slurm: SlurmSpec) -> str:
    """GPUs of each node: as asked, else one a process."""
    if slurm.gres:
        return slurm.gres
    on_cpu = spec.launcher.device == "cpu" or (spec.launcher.device == "auto" and spec.kind in ON_CPU)
    return "" if on_cpu else f"gpu:{spec.launcher.processes}"


def script(spec: JobSpec, slurm: SlurmSpec, run: RunFolder, attempt: int, name: str, python: str) -> str:
    """The whole script. All that varies is quoted; only slurm.setup and slurm.lines go in as they are."""
    folder = run.attempt(attempt)
    quoted = {
        "run": shlex.quote(str(run.path)),
        "python": shlex.quote(slurm.python or python),
        "number": str(attempt),
        "stop": shlex.quote(str(folder.stop)),
    }
    setup = [*slurm.setup]
    source = launch.source_root()
    if source and not slurm.python:  # the same code, where it is not installed
        setup.append(f'export PYTHONPATH={shlex.quote(source)}"${{PYTHONPATH:+:$PYTHONPATH}}"')
    after = REQUEUE if slurm.at_time_limit == "requeue" else ""
    body = BODY.format(**quoted, setup="".join(f"{line}\n" for line in setup), after=after)
    head = [f"#SBATCH {option}" for option in options(spec, slurm, name)]
    about = f"# {run.id}, attempt {attempt}: the studio wrote this and gave it to sbatch."
    return "\n".join(["#!/bin/bash", about, *head, "", body])


def command(
    spec: JobSpec, slurm: SlurmSpec, run: RunFolder, attempt: int, program: str, python: str
) -> list[str]:
    """What the supervisor on the first node starts: the program's part there, or by srun on every node."""
    part = [slurm.python or python, "-m", "jobs.executors.node", str(run.path), str(attempt), program]
    if slurm.nodes == 1:
        return part
    srun = ["srun", f"--nodes={slurm.nodes}", f"--ntasks={slurm.nodes}", "--ntasks-per-node=1"]
    if slurm.cpus:  # srun does not take it over from sbatch
        srun.append(f"--cpus-per-task={slurm.cpus}")
    return [*srun, "--kill-on-bad-exit=1", *part]
