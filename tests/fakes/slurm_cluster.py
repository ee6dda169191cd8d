"""A real Slurm cluster of two nodes, both this machine: its daemons run as whoever runs the tests."""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from tests.fakes.processes import until
from tests.fakes.programs import free_port

DAEMONS = ("slurmctld", "slurmd", "munged")
COMMANDS = (*DAEMONS, "sbatch", "squeue", "scontrol", "scancel", "srun")
NODES = ("n1", "n2")
CPUS = 2

CONF = """\
ClusterName=test
SlurmctldHost={machine}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
KillWait=5
JobRequeue=1
SchedulerParameters=sched_interval=2
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={machine} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=1000"


def missing() -> list[str]:
    """The programs that this machine lacks; Debian has them in slurm-wlm and munge."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    return [name for name in COMMANDS if not shutil.which(name, path=path)]


class SlurmCluster:
    """Its settings and daemons lie in `folder`. Use as a context: at the end no daemon is left."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self.environment["PATH"] += os.pathsep + "/usr/sbin"
        self.daemons: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "SlurmCluster":
        machine = socket.gethostname().split(".")[0]
        about = {"machine": machine, "folder": self.folder, "user": getpass.getuser(), "cpus": CPUS}
        nodes = "\n".join(NODE.format(name=name, port=free_port(), **about) for name in NODES)
        (self.folder / "state").mkdir()
        (self.folder / "slurm.conf").write_text(CONF.format(port=free_port(), nodes=nodes, **about))
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self._start_munge(key)
        self.start_controller()
        for name in NODES:
            self._start(name, "slurmd", "-D", "-N", name)
        until(lambda: self.ask("sinfo", "-h", "-o", "%T %D") == f"idle {len(NODES)}", 30, "two idle nodes")
        return self

    def __exit__(self, *_: object) -> None:
        if "slurmctld" not in self.daemons:
            self.start_controller()
        self.ask("scancel", "--user", getpass.getuser(), "--signal=KILL", "--full")
        for name in reversed([*self.daemons]):
            self._end(name)

    def start_controller(self) -> None:
        self._start("slurmctld", "slurmctld", "-D")
        until(lambda: self.run("squeue", "-h").returncode == 0, 30, "the controller")

    def stop_controller(self) -> None:
        self._end("slurmctld")

    def run(self, *argv: str) -> subprocess.CompletedProcess:
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=30)

    def ask(self, *argv: str) -> str:
        return self.run(*argv).stdout.strip()

    def job(self, number: str) -> dict[str, str]:
        """What scontrol says of a job, a word each: JobState, Reason, Restarts ..."""
        words = self.ask("scontrol", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def _start_munge(self, key: Path) -> None:
        files = {"key-file": key, "socket": self.folder / "munge.socket"}
        files |= {f"{name}-file": self.folder / f"munge.{name}" for name in ("pid", "log", "seed")}
        argv = [f"--{name}={path}" for name, path in files.items()]
        self._start("munged", "munged", "--foreground", "--force", *argv)
        until((self.folder / "munge.socket").exists, 10, "munge's socket")

    def _start(self, name: str, *argv: str) -> None:
        with open(self.folder / f"{name}.out", "ab") as out:
            # A session of its own: Ctrl-C is for us, who end the daemons in their order.
            self.daemons[name] = subprocess.Popen(
                argv, env=self.environment, stdout=out, stderr=out, start_new_session=True
            )

    def _end(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def main(folder: Path) -> None:
    """`python -m tests.fakes.slurm_cluster FOLDER`: a cluster to try things on, until Ctrl-C."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    folder.mkdir(parents=True)
    with SlurmCluster(folder.resolve()) as cluster:
        print(f"export SLURM_CONF='{cluster.environment['SLURM_CONF']}'", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
