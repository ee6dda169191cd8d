"""What a job writes to the disk, before it starts. No torch.

The figures follow what the programs save: a checkpoint holds the weights in float32 (of a LoRA only its
matrices) and the optimizer's states, DeepSpeed's also its float32 copies; one more than is kept stands there
while the newest is written. docs/lab-notes.md holds them against what was measured.
"""

from jobs.specs.estimate import STATES, trained_values
from jobs.specs.job import ConvertSpec, TrainSpec
from jobs.specs.sizes import Sizes

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
UNPACKED = 4  # a GGUF file holds 4 to 8 bits for a value, what it becomes 16
TEXT_PER_TOKEN = 8  # bytes of text that a token stands for at most, as a rule; a token takes 4
PACKED_TEXT = 3  # what compressed text becomes at least, as a rule


def of_training(spec: TrainSpec, sizes: Sizes, values: int | None = None) -> dict[str, int]:
    """Bytes by what for, at the moment when most is there. Empty for trainings that save nothing."""
    if spec.report.probe_of or spec.optimisation.lr_schedule == "rising":
        return {}
    total = values or sizes.values
    trained = trained_values(spec, sizes, total)
    grown = total + (trained if spec.tuning.method == "expand" else 0)
    saved = trained if spec.tuning.method == "lora" else grown
    states = STATES[spec.optimisation.optimizer] * trained + (
        4 * trained if spec.optimisation.ema_decay else 0
    )
    if spec.launcher.name == "deepspeed":
        states += 4 * trained
    width = 2 if spec.optimisation.precision == "bf16" else 4
    checkpoints = int((4 * saved + states) * checkpoints_at_once(spec))
    return {"checkpoints": checkpoints, "the finished model": width * grown}


def checkpoints_at_once(spec: TrainSpec) -> int:
    """The most checkpoints that there are at any moment. Without `save_every` there is one, after a stop."""
    if not spec.report.save_every:
        return 1
    made = -(-spec.optimisation.steps // spec.report.save_every)
    return min(made, spec.report.keep_checkpoints + 1)


def of_conversion(spec: ConvertSpec, source_bytes: int, values: int | None) -> dict[str, int]:
    """The same of a conversion of weights of so many bytes; it writes aside and renames, so once."""
    if spec.dtype in WIDTHS and values:
        return {"the converted model": WIDTHS[spec.dtype] * values}
    return {"the converted model": source_bytes * (UNPACKED if spec.source.lower().endswith(".gguf") else 1)}


def of_preparation(text_bytes: int, packed: bool) -> dict[str, int]:
    """The same of preparing so many bytes of text: the least that it comes to."""
    return {"prepared data": text_bytes * (PACKED_TEXT if packed else 1) * 4 // TEXT_PER_TOKEN}
