"""A training of seconds in this process, which can be stopped and taken up again."""

from pathlib import Path
from typing import Any

from jobs.programs import train
from jobs.programs.process import Process
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder, read_json
from jobs.specs.job import TrainSpec

MODEL = {
    "architecture": "llama",
    "config": {
        **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24},
        **{"initializer_range": 0.3, "max_position_embeddings": 64},
    },
    "tokenizer": "characters:abcdefghijklmnopqrstuvwxyz AU:_\n",
}


class StopsAfter(Process):
    """A process that is asked to stop after some steps."""

    steps = -1

    def progress(self, done: int, total: int, *given: Any, **more: Any) -> None:
        super().progress(done, total, *given, **more)
        if done == self.steps and total == self.spec.optimisation.steps:
            self.attempt.request_stop()


def begin(
    folder: Path, model: dict[str, Any] | None = None, validation: float = 0, **changes: Any
) -> RunFolder:
    """A run of four steps that nobody has started; `validation` is the share of rows held out, `changes` are
    parts of the spec."""
    data = folder / "d.jsonl"
    data.write_text("".join(f'{{"prompt": "{c}", "completion": "{c * 9}"}}\n' for c in "abcdefghijklmnop"))
    steps = {"steps": 4, "batch_size": 4, "learning_rate": 1e-2, "warmup_steps": 1}
    spec = TrainSpec.parse(
        {
            "kind": "train",
            "model": model or {"new": MODEL},
            "data": {"path": str(data), "max_length": 32, "validation": validation},
            "objective": {"name": "mdlm"},
            "report": {"log_every": 1},
            "launcher": {"device": "cpu"},
            **changes,
            "optimisation": {**steps, **changes.get("optimisation", {})},
        }
    )
    return RunFolder.create(folder / "runs", "train", spec.model_dump(mode="json"))


def go_on(run: RunFolder, stop_after: int = -1) -> str:
    """The next attempt of a run; returns how it ended: succeeded or stopped."""
    process = StopsAfter(run, run.new_attempt(), TrainSpec.parse(run.spec()))
    process.steps = stop_after
    train.train(process)
    return str(read_json(run.result_json)["status"])


def losses(run: RunFolder) -> list[float]:
    """The training loss of each step that was logged."""
    events = [event for _, event in read_events(run.events) if event["event"] == "metrics"]
    return [event["values"]["loss"] for event in events if "loss" in event["values"]]
