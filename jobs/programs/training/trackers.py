"""A training's curves for another program too: TensorBoard, Weights & Biases or trackio.

Everything that the run page draws is sent, under the same names. Each needs the package of its name.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from jobs.programs.process import Process
from jobs.protocol.folder import RunFolder

PROJECT = "dllm-studio"  # under which the runs are gathered


class Tracker(Protocol):
    """Takes points of the curves."""

    def log(self, values: dict[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Writes `tensorboard/` in the run folder: `tensorboard --logdir RUNS` shows all runs."""

    def __init__(self, run: RunFolder, spec: dict[str, Any]):
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - the package is optional

        self.writer = SummaryWriter(str(run.tensorboard))
        self.writer.add_text("spec", f"```json\n{spec}\n```")

    def log(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class Online:
    """wandb, and trackio, which speaks as wandb does. Keys are theirs to find, in the environment."""

    def __init__(self, name: str, run: RunFolder, spec: dict[str, Any]):
        if name == "wandb":
            import wandb as package  # noqa: PLC0415 - the package is optional
        else:
            import trackio as package  # noqa: PLC0415 - the same
        self.package = package
        self.package.init(project=PROJECT, name=run.id, config=spec)

    def log(self, values: dict[str, float], step: int) -> None:
        self.package.log(values, step=step)

    def close(self) -> None:
        self.package.finish()


def make_tracker(name: str, run: RunFolder, spec: dict[str, Any]) -> Tracker:
    """The tracker of that name. Its package is there: jobs.programs.training.packages has looked."""
    return TensorBoard(run, spec) if name == "tensorboard" else Online(name, run, spec)


@contextlib.contextmanager
def tracking(process: Process) -> Iterator[Tracker | None]:
    """Inside, a tracker on rank 0 if the spec asks for one; closed at the end, whatever that is."""
    name = process.spec.report.report_to
    if name == "none" or process.rank != 0:
        yield None
        return
    tracker = make_tracker(name, process.run, process.spec.model_dump(mode="json"))
    try:
        yield tracker
    finally:
        tracker.close()
