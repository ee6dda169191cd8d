"""The run folder: the only place that knows file names.

    <runs>/.last-number        the highest number that a run ever had
    <run>/spec.json            all that a program reads
    <run>/queue.json           what the queue decided about it (backend/queue_note.py)
    <run>/remarks.json         a person's note and tags (backend/remarks.py)
    <run>/events.jsonl         progress, metrics, samples; appended, each line with its attempt
    <run>/checkpoints/         checkpoint-<step>/ ...
    <run>/model/               the finished model of a train or convert job
    <run>/prepared/            data that a prepare job tokenized
    <run>/samples/             one trajectory file a request: <request>.jsonl
    <run>/data/bad-rows.jsonl  rows that were put aside
    <run>/predictions.jsonl    what a sample job wrote
    <run>/tensorboard/         the curves for TensorBoard, if asked for
    <run>/result.json          written by rank 0 when the program has finished its work
    <run>/attempts/<n>/        what belongs to one try:
        run.json lock log.txt stop exit.json serve.sock launch.txt job.sbatch slurm.json slurm.txt

Everything but the appended files is written aside and renamed, the marker last.
"""

import contextlib
import fcntl
import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

from jobs.protocol.errors import JobError

CHECKPOINT = re.compile(r"^checkpoint-(\d+)$")
RUN_ID = re.compile(r"^[a-z]+-\d{4,}$")
LAST_NUMBER = ".last-number"
REQUEST_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
PARTIAL = ".partial-"  # a folder with this in its name is not finished


def write_atomic(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the whole new one."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with open(aside, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    write_atomic(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: Trainer writes trainer_state.json last.

    A power loss may leave that file with no content, or with a part of it.
    """
    try:
        return isinstance(json.loads((checkpoint / "trainer_state.json").read_text()), dict)
    except (OSError, ValueError):
        return False


def sync_folder(folder: Path) -> None:
    """Return when all that was written into a folder is on the disk, and not only in memory."""
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # another rank's, for the time being
            if path.is_file():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())


def read_json(path: Path) -> Any | None:
    """The content, or None if the file is missing. A broken file is an error: we never write half a one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def read_facts(path: Path) -> dict[str, Any] | None:
    """The same of a file that holds an object; what a power loss left broken counts as missing."""
    try:
        data = read_json(path)
    except (ValueError, NotADirectoryError):
        return None
    return data if isinstance(data, dict) else None


def next_number(root: Path) -> int:
    """A number above that of every run which is or ever was in `root`, given out once."""
    fd = os.open(root / LAST_NUMBER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(fd, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        text = file.read().strip()
        there = (int(p.name.rsplit("-", 1)[1]) for p in root.iterdir() if RUN_ID.match(p.name))
        number = 1 + max(int(text) if text.isdigit() else 0, max(there, default=0))
        file.seek(0)
        file.write(b"%d\n" % number)  # in place: it never gets shorter
        return number


class AttemptFolder:
    """What belongs to one try at a run."""

    def __init__(self, path: Path):
        self.path = path
        self.number = int(path.name)

    @property
    def run_json(self) -> Path:
        """Supervisor and child identity, command, cookie, devices. Its mtime is the heartbeat."""
        return self.path / "run.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor (flock) for as long as it lives."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def stop(self) -> Path:
        """Its existence asks the program to save and leave; the program polls it each step."""
        return self.path / "stop"

    @property
    def exit_json(self) -> Path:
        """How the attempt ended; written last."""
        return self.path / "exit.json"

    @property
    def socket(self) -> Path:
        return self.path / "serve.sock"

    @property
    def launch(self) -> Path:
        """What to start on the other machines of the job, for a person."""
        return self.path / "launch.txt"

    @property
    def batch(self) -> Path:
        """The batch script that Slurm was given."""
        return self.path / "job.sbatch"

    @property
    def batch_json(self) -> Path:
        """What Slurm answered: its number for the job."""
        return self.path / "slurm.json"

    @property
    def batch_log(self) -> Path:
        """What the batch script and Slurm itself said."""
        return self.path / "slurm.txt"

    def request_stop(self, grace_seconds: float | None = None) -> None:
        """Ask for a stop; with a grace, the supervisor keeps to it where the disk has room to say so."""
        try:
            if grace_seconds is not None:
                write_atomic(self.stop, json.dumps({"grace": grace_seconds}))
                return
        except OSError:  # a full disk still takes an empty file
            pass
        self.stop.touch()

    def stop_requested(self) -> bool:
        return self.stop.exists()


class RunFolder:
    """One run. Create with `RunFolder.create`, open with `RunFolder(path)`."""

    def __init__(self, path: Path | str):
        self.path = Path(path).resolve()
        self.id = self.path.name

    @classmethod
    def create(cls, root: Path, kind: str, spec: dict) -> "RunFolder":
        """Make the next free `<kind>-<number>` folder under `root` and write its spec."""
        folder = cls.reserve(root, kind)
        write_json(folder.spec_json, spec)
        return folder

    @classmethod
    def reserve(cls, root: Path, kind: str) -> "RunFolder":
        """The same without a spec, for jobs whose specs name each other. It is no run before it has one."""
        root.mkdir(parents=True, exist_ok=True)
        number = next_number(root)
        while True:
            path = root / f"{kind}-{number:04d}"
            try:
                path.mkdir(mode=0o700)  # fails if the number was set back by hand: then the next one
                break
            except FileExistsError:
                number += 1
        folder = cls(path)
        folder.attempts.mkdir()
        return folder

    @property
    def spec_json(self) -> Path:
        return self.path / "spec.json"

    @property
    def queue_json(self) -> Path:
        """What the queue decided: priority, held, place, tries. Programs do not read it."""
        return self.path / "queue.json"

    @property
    def remarks_json(self) -> Path:
        """A person's note and tags. Programs do not read it."""
        return self.path / "remarks.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def prepared(self) -> Path:
        """What a prepare job made, where it was given no other folder."""
        return self.path / "prepared"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def tensorboard(self) -> Path:
        """The curves for TensorBoard, where the spec asks for them."""
        return self.path / "tensorboard"

    @property
    def data(self) -> Path:
        """Rows that the run's own builder made."""
        return self.path / "data"

    @property
    def bad_rows(self) -> Path:
        """Rows that were put aside, each with what is wrong (data.on_bad_rows: quarantine)."""
        return self.data / "bad-rows.jsonl"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.jsonl"

    @property
    def result_json(self) -> Path:
        return self.path / "result.json"

    @property
    def attempts(self) -> Path:
        return self.path / "attempts"

    def sample(self, request: str) -> Path:
        """The trajectory file of one request."""
        if not REQUEST_ID.match(request):
            raise JobError(f"{request!r} is not a sample id.")
        return self.samples / f"{request}.jsonl"

    def spec(self) -> dict:
        try:
            spec = read_json(self.spec_json)
        except ValueError:
            raise JobError(
                f"{self.spec_json} is broken, as after a power loss. Submit the job anew."
            ) from None
        if spec is None:
            raise JobError(f"{self.path} is not a run folder: it has no spec.json.")
        return spec

    def attempt(self, number: int) -> AttemptFolder:
        return AttemptFolder(self.attempts / str(number))

    def attempt_numbers(self) -> list[int]:
        if not self.attempts.is_dir():
            return []
        return sorted(int(p.name) for p in self.attempts.iterdir() if p.name.isdigit())

    def latest_attempt(self) -> AttemptFolder | None:
        numbers = self.attempt_numbers()
        return self.attempt(numbers[-1]) if numbers else None

    def new_attempt(self) -> AttemptFolder:
        number = 1 + max(self.attempt_numbers(), default=0)
        attempt = self.attempt(number)
        attempt.path.mkdir(mode=0o700, parents=True)
        return attempt

    def half_written(self) -> list[Path]:
        """Folders of checkpoints and models that somebody is writing, or was when he was killed."""
        checkpoints = self.checkpoints.iterdir() if self.checkpoints.is_dir() else ()
        half = [p for p in checkpoints if CHECKPOINT.match(p.name) and not is_whole(p)]
        return half + list(self.path.glob(f".*{PARTIAL}*"))

    def last_checkpoint(self) -> Path | None:
        """The newest checkpoint that is whole."""
        if not self.checkpoints.is_dir():
            return None
        whole = [p for p in self.checkpoints.iterdir() if CHECKPOINT.match(p.name) and is_whole(p)]
        return max(whole, key=lambda p: int(p.name.rsplit("-", 1)[1]), default=None)
