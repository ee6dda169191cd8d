"""What happens between the steps: curves, progress, validation, film, checkpoints, and the wish to stop."""

import math
import time
from collections import deque
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from jobs.programs.process import Process
from jobs.programs.training import rates
from jobs.programs.training.film import Film
from jobs.programs.training.ranks import StopVote
from jobs.programs.training.trackers import Tracker
from jobs.programs.training.trainer import DiffusionTrainer
from jobs.programs.training.usage import Usage, make_usage
from jobs.programs.training.validation import Score, Validation
from jobs.protocol.counted import counted
from jobs.protocol.errors import SpecError
from jobs.specs.job import ReportSpec

RECENT_STEPS = 50  # steps whose mean time gives the time left
DIGITS = 6
LOG_SECONDS = 2.0  # shortest time between two lines of the log that tell of the curves
NOTHING_MASKED = (
    "The validation has no loss: its noise, the same each time, masks no token of the {rows} held out. "
    "Hold out more (data.validation)."
)
LOGGED = ("loss", "validation_loss", "learning_rate", "grad_norm", "tokens_per_second")


class Reporting(TrainerCallback):
    """Called by the Trainer on all ranks at the same steps; only rank 0 writes."""

    def __init__(
        self,
        process: Process,
        vote: StopVote,
        validation: Validation,
        film: Film,
        tracker: Tracker | None = None,
    ):
        self.process = process
        self.tracker = tracker
        self.vote = vote
        self.validation = validation
        self.film = film
        self.report: ReportSpec = process.spec.report
        self.trainer: DiffusionTrainer | None = None  # set once it exists: each needs the other
        self.stopped = False
        self.first_score: Score | None = None
        self.last_score: Score | None = None
        self.scored_at = self.filmed_at = self.begun_at = -1
        self.last_loss: float | None = None
        self.losses: list[float] = []  # of a search for the learning rate
        self.usage: Usage | None = None
        self.recent: deque[float] = deque(maxlen=RECENT_STEPS)
        self.busy = 0.0  # seconds in training steps since the last point of the curves
        self.busy_in_all = 0.0
        self.spent = {"tokens_seen": 0.0, "seconds_trained": 0.0}  # earlier tries included
        self._mark = 0.0
        self._said = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.begun_at = state.global_step
        # A resumed run counts on from its checkpoint, whose history holds what `on_log` put there.
        before = next((log for log in reversed(state.log_history) if "tokens_seen" in log), {})
        self.spent |= {name: before[name] for name in self.spent if name in before}
        assert self.trainer is not None
        objective = self.trainer.diffusion_loss.objective
        self.usage = make_usage(
            self.process.spec, self.trainer.model, objective, args.device, args.world_size
        )
        if state.global_step == 0:
            self._validate(0)
            if self.report.sample_every:
                self._film(0)
        self.process.phase("training")
        self.process.progress(state.global_step, state.max_steps, None, force=True)
        self._mark = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        step, now = state.global_step, time.monotonic()
        self.recent.append(now - self._mark)
        self.busy += now - self._mark
        self.busy_in_all += now - self._mark
        left = sum(self.recent) / len(self.recent) * (state.max_steps - step)
        self.process.progress(step, state.max_steps, left)
        if (
            step < state.max_steps
        ):  # after the last one there is nothing to stop, and `finish` looks at the model
            self._between(step, control)
        if control.should_training_stop and not self.report.probe_of:
            control.should_save = True
        self._mark = time.monotonic()

    def _between(self, step: int, control: TrainerControl) -> None:
        if self.vote():
            self.stopped = True
            control.should_training_stop = True
            return
        if self.report.evaluate_every and step % self.report.evaluate_every == 0:
            self._validate(step)
        if self.report.sample_every and step % self.report.sample_every == 0:
            self._film(step)
        self.process.phase("training")

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        path = self.process.run.checkpoints / f"checkpoint-{state.global_step}"
        self.process.events.write(
            "checkpoint", step=state.global_step, path=str(path.relative_to(self.process.run.path))
        )
        self._mark = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """A point of the curves. Raises: SpecError where the loss is no number any more."""
        if logs is None or "loss" not in logs:  # the Trainer's own summary at the end
            return
        assert self.trainer is not None
        sums = self.trainer.meter.total()
        cells = sums["cells"] / self.trainer.diffusion_loss.layout.parts  # who share a text count it alike
        self.last_loss = logs["loss"]
        if self.process.spec.optimisation.lr_schedule == "rising":
            self.losses.append(logs["loss"])
            control.should_training_stop |= rates.has_diverged(self.losses)
        elif not math.isfinite(logs["loss"]):
            raise SpecError(
                f"The loss is {logs['loss']} at step {state.global_step}: training has diverged. Lower "
                "optimisation.learning_rate or raise optimisation.warmup_steps."
            )
        self.spent["tokens_seen"] += cells
        self.spent["seconds_trained"] = round(self.spent["seconds_trained"] + self.busy, 3)
        state.log_history[-1] |= self.spent
        values = {
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs.get("grad_norm"),
            "epoch": logs.get("epoch"),
            "tokens_per_second": cells / self.busy if self.busy else None,
            "seconds_per_step": self.recent[-1] if self.recent else None,
            "eos_share": sums["eos"],
            "padding_share": sums["filling"],
            "model_flops_use": self.usage(sums, self.busy) if self.usage else None,
            "memory_mb": peak_memory_mb(args.device),
            **self.spent,
        }
        self._metrics(state.global_step, values)
        self._levels("levels", state.global_step, sums["loss"], sums["count"])
        self.busy = 0.0

    def finish(self, step: int) -> None:
        """The last validation and the last film, of the model as it is now."""
        if self.scored_at != step:
            self._validate(step)
        if self.filmed_at != step:
            self._film(step)

    def seconds_per_step(self, step: int) -> float | None:
        """The mean; of a probe that without the first step, in which kernels are chosen and built."""
        if self.report.probe_of and len(self.recent) > 1:
            return round(sum([*self.recent][1:]) / (len(self.recent) - 1), 4)
        done = step - self.begun_at
        return round(self.busy_in_all / done, 4) if done > 0 else None

    def _validate(self, step: int) -> None:
        if not self.validation.sequences:
            return
        assert self.trainer is not None
        self.process.phase("validating")
        with self.trainer.evaluated_weights():
            score = self.validation(self.trainer.model)
        if score is None:  # a stop was asked for
            return
        if score.loss is None and self.last_score is None:
            self.process.note(
                NOTHING_MASKED.format(rows=counted(len(self.validation.sequences), "row")), "warning"
            )
        self.scored_at = step
        self.first_score = score if step == 0 else self.first_score
        self.last_score = score
        accuracy = {f"accuracy_{share}": value for share, value in score.accuracy.items()}
        values = {"validation_loss": score.loss, **accuracy, "validation_seconds": score.seconds}
        self._metrics(step, values)
        self._levels("validation_levels", step, score.level_loss, score.level_count)

    def _film(self, step: int) -> None:
        if not self.film.asks:
            return
        assert self.trainer is not None
        self.process.phase("unmasking the prompts")
        with self.trainer.evaluated_weights():
            self.film(step)
        self.filmed_at = step

    def _metrics(self, step: int, values: dict[str, float | None]) -> None:
        known = {
            name: round(value, DIGITS) if abs(value) >= 1e-3 else float(f"{value:.{DIGITS}g}")
            for name, value in ((name, _number(value)) for name, value in values.items())
            if value is not None
        }
        self.process.events.write("metrics", step=step, values=known)
        if self.tracker is not None:
            self.tracker.log(known, step)
        now = time.monotonic()
        if "validation_loss" in known or now - self._said >= LOG_SECONDS:
            self._said = now
            shown = "  ".join(f"{name} {known[name]:.5g}" for name in LOGGED if name in known)
            self.process.say(f"step {step} of {self.process.spec.optimisation.steps}: {shown}")

    def _levels(self, event: str, step: int, sums: list[float], counts: list[float]) -> None:
        loss = [
            round(s / n, DIGITS) if n and math.isfinite(s) else None
            for s, n in zip(sums, counts, strict=True)
        ]
        self.process.events.write(event, step=step, loss=loss, count=[int(n) for n in counts])


def _number(value: Any) -> float | None:
    """A finite float, or None: an infinite gradient norm has no place on a curve."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def peak_memory_mb(device: torch.device) -> float:
    """The most memory that was in use: of the GPU's, or else of this process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    return 0.0
