"""The parent of a program and of all that it leaves behind: `python jobs/anchor.py COMMAND...`.

It stands between supervisor and program so that either guardian may be killed and nothing is lost:

- Orphans of the program fall back to it (as subreaper), whatever session they are in and whatever they did
  to their environment. If it dies itself, they fall back to the supervisor.
- It never reaps the program. The exit status stays readable in /proc, for the supervisor or for one that
  comes later and is not our ancestor.
- It starts nothing before it is told that run.json names it, so nothing ever runs unrecorded.

The supervisor kills it when nothing else is left. Standard library only, run by path: it must start in a
moment.
"""

import contextlib
import ctypes
import os
import signal
import sys

GO = b"go"
PR_SET_CHILD_SUBREAPER = 36
FIRST_FOR_THE_MEMORY_KILLER = "500"  # before supervisor and anchor


def run(argv: list[str]) -> None:
    """Become the program, in a session of its own."""
    try:
        os.setsid()
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(FIRST_FOR_THE_MEMORY_KILLER)
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"supervisor: cannot start {argv[0]}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(127)


def main(argv: list[str]) -> None:
    """Start the program, reap every other child, and stay until killed."""
    if os.read(0, len(GO)) != GO:
        return  # the supervisor died before it could note us
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # ours would be the program's
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # a handler, unlike SIG_IGN, is not handed down to the program
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    program = os.fork()
    if program == 0:
        run(argv)
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)).si_pid != program:
        os.waitpid(ended.si_pid, 0)
    if os.getppid() > 1:
        os.kill(os.getppid(), signal.SIGCHLD)  # the supervisor sleeps, and is not the program's parent
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
