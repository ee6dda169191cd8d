"""A program without torch that lives as the real ones do: `python -m tests.fakes.trainer RUN_FOLDER`.

What it does is told by the spec's name, as words: "steps=20 pause=0.05 exit=3 ...".
    steps, pause    how long it works            exit=N        ends with that code at step `at`
    raise=TEXT      prints TEXT and exits 1      kill=N        signals itself at step `at`
    deaf=1          ignores stop and SIGTERM     orphan=1      leaves a child in a session of its own
    error=NAME      writes an error event with that failure and exits 2
    watched=1       tells the test on the side what it does, and numbers the lines of its log
and what is in tests/fakes/nasty.py, at step `at` too.
It saves checkpoints every 5 steps and on stop, and goes on from the last one.
Under torchrun only rank 0 tells and saves.
"""

import json
import os
import signal
import subprocess
import sys
import time

from jobs.protocol.events import EventWriter
from jobs.protocol.folder import AttemptFolder, RunFolder, write_json
from tests.fakes.nasty import NASTY
from tests.fakes.witness import Witness


def words(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


FIRST = os.environ.get("RANK", "0") == "0"


def save(run: RunFolder, step: int, events: EventWriter) -> None:
    if not FIRST:
        return
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "trainer_state.json", {"global_step": step})
    events.write("checkpoint", step=step, path=str(folder))


def last_acts(options: dict[str, str], events: EventWriter) -> None:
    """The ways to end badly."""
    if name := options.get("error"):
        events.write("error", text="Row 3 is broken.", failure=name, remedy="Mend row 3.")
        sys.exit(2)
    if text := options.get("raise"):
        print(text.replace("_", " "), flush=True)
        sys.exit(1)
    if number := options.get("kill"):
        os.kill(os.getpid(), int(number))
    if code := options.get("exit"):
        sys.exit(int(code))


def main(run: RunFolder, attempt: AttemptFolder) -> None:
    options = words(run.spec()["name"])
    events = EventWriter(run.events, attempt.number, enabled=FIRST)
    steps, pause = int(options.get("steps", 10)), float(options.get("pause", 0.02))
    deaf = "deaf" in options
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "orphan" in options:
        subprocess.Popen(["sleep", "300"], start_new_session=True)
    witness = Witness(run, attempt) if "watched" in options else None
    last = run.last_checkpoint()
    first = json.loads((last / "trainer_state.json").read_text())["global_step"] if last else 0
    print(f"begin at {first}", flush=True)
    events.write("phase", text=f"training in {os.environ.get('WORLD_SIZE', 1)}")
    status = "succeeded"
    for step in range(first + 1, steps + 1):
        time.sleep(pause)
        if witness is not None and FIRST:
            print(f"line {step}", flush=True)
        events.write("progress", step=step, total=steps, seconds_left=(steps - step) * pause)
        events.write("metrics", step=step, values={"loss": 10 / step})
        if step % 5 == 0:
            save(run, step, events)
            events.write("levels", step=step, loss=[1.0 / step] * 8, count=[4] * 8)
        if step == int(options.get("at", 5)):
            for word in options.keys() & NASTY.keys():
                NASTY[word](run, options[word], witness)
            last_acts(options, events)
        if attempt.stop_requested() and not deaf:
            save(run, step, events)
            status = "stopped"
            break
    if FIRST:
        write_json(run.result_json, {"attempt": attempt.number, "status": status})


if __name__ == "__main__":
    folder = RunFolder(sys.argv[1])
    main(folder, folder.attempt(int(os.environ["DLLM_STUDIO_ATTEMPT"])))
