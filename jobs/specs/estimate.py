"""What a training will need: memory on each device and in the machine, operations and time. No torch.

Bytes for each value follow the program and its launchers: mixed precision keeps float32 weights beside bf16
copies, DeepSpeed keeps bf16 weights beside float32 ones, LoRA trains little beside frozen weights. Sources:
Rajbhandari et al. 2020 (ZeRO, arXiv 1910.02054) section 3, Korthikanti et al. 2022 (activations, arXiv
2205.05198) section 4.
The measured figures that this was held against are in docs/lab-notes.md.
"""

from jobs.specs.base import Spec
from jobs.specs.job import TrainSpec
from jobs.specs.sizes import Sizes

MIB, GIB = 2**20, 2**30
CHUNK = 2**26  # logits that exist at once: jobs.diffusion.masked_head
STATES = {
    "adamw": 8.0, "schedule_free": 8.0, "adamw_8bit": 2.1, "paged_adamw_8bit": 2.1, "lion": 4.0, "muon": 4.0,
    "adafactor": 0.1, "galore": 1.0, "apollo": 1.0, "adam_mini": 4.1,
}  # fmt: skip
"""Bytes of optimizer states for a trained value; of the low-rank ones what their papers report."""
RUNTIME = {"cpu": 480 * MIB, "cuda": 900 * MIB}
"""What a process holds before it has a model: libraries, or the context and kernels of a GPU."""
SPARE = 1.1
"""Buffers of kernels and communication, and memory that the allocator cannot use."""
FOUR_BITS = 0.56  # bytes for a value: nf4 with its scales
LORA_KEEPS = 2  # copies of a layer's outputs beside LoRA's matrices; fitted to what was measured
BACKWARD = 2  # layers' worth of gradients and products while one is gone through backwards; measured too
ALL_LINEAR = 7  # matrices in a layer that LoRA stands beside


class Estimate(Spec):
    """What a training will need. Bytes."""

    values: int
    """Numbers in the model."""
    trained: int
    """Those that are trained."""
    device: dict[str, int]
    """On each device: weights, gradients, optimizer, activations, logits, runtime."""
    machine: int = 0
    """In the machine's main memory: the model is loaded there first, by the process that reads it or, where
    it cannot be sent, by each, and what is offloaded waits there."""
    operations: float
    """Floating-point operations of a step, on all devices together."""
    tokens: int
    """Tokens of a step, filling included."""

    @property
    def on_device(self) -> int:
        """Bytes on each device."""
        return sum(self.device.values())

    def seconds(self, steps: int, speed: float) -> float:
        """Time for so many steps; `speed`: operations a second of all devices together."""
        return self.operations * steps / speed


def estimate(spec: TrainSpec, sizes: Sizes, values: int | None = None, on_gpu: bool = True) -> Estimate:
    """The estimate for a model with these sizes; `values`: its exact number of values, if known."""
    total = values or sizes.values
    trained = trained_values(spec, sizes, total)
    devices, machine = _states(spec, total, trained, sizes)
    rows = spec.optimisation.batch_size
    length = positions(spec)
    activations = _activations(spec, sizes, rows * length)
    logits = min(rows * length * sizes.vocabulary, CHUNK) * 12  # logits, their softmax and gradient
    parts = {**devices, "activations": activations, "logits": logits}
    parts = {name: int(size * SPARE) for name, size in parts.items()}
    parts["runtime"] = RUNTIME["cuda" if on_gpu else "cpu"]
    batches = processes(spec) // spec.launcher.sequence_parallel * spec.optimisation.gradient_accumulation
    return Estimate(
        values=total,
        trained=trained,
        device=parts,
        machine=max(machine, _readers(spec) * _loaded(spec, total, trained)),
        operations=_operations(spec, sizes, rows * length, length) * batches,
        tokens=rows * spec.data.max_length * batches,
    )


def processes(spec: TrainSpec) -> int:
    """Processes on all machines."""
    return spec.launcher.processes * max(1, len(spec.launcher.hosts))


def positions(spec: TrainSpec) -> int:
    """Positions of a sequence as the model gets it: block objectives stand beside the clean text."""
    name, options = getattr(spec.objective, "name", ""), spec.objective
    doubled = name in ("bd3lm", "dfactory") and getattr(options, "block_diffusion", True)
    return spec.data.max_length * (2 if doubled else 1)


def trained_values(spec: TrainSpec, sizes: Sizes, total: int) -> int:
    """How many values are trained: all, LoRA's, those of some layers or of new ones."""
    tuning = spec.tuning
    words = 0 if tuning.method == "full" else _whole(tuning.whole_modules, sizes)
    layer = (sizes.values - sizes.vision - 2 * sizes.head) // sizes.layers
    if tuning.method in ("layers", "expand"):
        return min(total, max(0, abs(tuning.layers) * layer) + words)
    if tuning.method == "lora":
        around = sizes.hidden * (4 if sizes.experts else ALL_LINEAR) * 2
        beyond = 0 if sizes.experts else 3 * (sizes.inner - sizes.hidden)
        experts = sizes.experts * 3 * (sizes.hidden + sizes.expert_inner) if tuning.experts else 0
        return min(total, tuning.rank * sizes.layers * (around + max(0, beyond) + experts) + words)
    frozen = sizes.vision if tuning.freeze != "nothing" else 0
    return total - frozen


def _whole(names: list[str], sizes: Sizes) -> int:
    return sizes.head * sum(name in ("embed_tokens", "lm_head", "wte") for name in names)


def _states(spec: TrainSpec, total: int, trained: int, sizes: Sizes) -> tuple[dict[str, float], int]:
    """(bytes on a device, bytes in the machine) of weights, gradients and optimizer states."""
    launcher, run = spec.launcher, spec.optimisation
    frozen, half = total - trained, run.precision == "bf16"
    states = STATES[run.optimizer] * trained + (4 * trained if run.ema_decay else 0)
    if launcher.name == "deepspeed":
        stage, wide = launcher.zero_stage, 2 if half else 4
        weights, gradients = wide * total, wide * trained
        states += 4 * trained  # float32 weights that the optimizer moves
        split = [states, gradients, weights]
        shares = [size / processes(spec) if stage > i else size for i, size in enumerate(split)]
        states, gradients, weights = shares
        gathered = _gathered(sizes, wide) if stage == 3 else 0
        waiting = (states if launcher.offload else 0) + (weights if launcher.offload_weights else 0)
        states = 0 if launcher.offload else states
        weights = 0 if launcher.offload_weights else weights
    else:
        small = (
            FOUR_BITS if spec.tuning.quantize == "4bit" else 2 if half and spec.tuning.method != "full" else 4
        )
        weights, gradients = 4 * trained + small * frozen, 4 * trained
        gathered, waiting = 2 * trained if half else 0, 0.0  # autocast keeps bf16 copies of what is trained
        if launcher.name == "torchrun":
            gradients *= 2  # DistributedDataParallel's buckets
        if launcher.name == "fsdp":
            weights, gradients, states = (n / processes(spec) for n in (weights, gradients, states))
            gathered = _gathered(sizes, 4)
            if launcher.offload_weights:
                waiting, weights, gradients, states = weights + gradients + states, 0, 0, 0
    parts = {"weights": weights + gathered, "gradients": gradients, "optimizer": states}
    return parts, int(waiting * launcher.processes)


def _readers(spec: TrainSpec) -> int:
    """How many whole models a machine holds while they are loaded; with offloaded weights all parts too."""
    return 1 + spec.launcher.offload_weights if spec.sends_weights else spec.launcher.processes


def _loaded(spec: TrainSpec, total: int, trained: int) -> int:
    """Bytes of the model as a process reads it: float32, a frozen base in bf16."""
    halved = spec.optimisation.precision == "bf16" and spec.tuning.method != "full"
    return 4 * trained + (2 if halved else 4) * (total - trained)


def _gathered(sizes: Sizes, width: int) -> int:
    """The largest part of a split model that is whole for a moment: two layers, or the vocabulary matrix."""
    layer = (sizes.values - sizes.vision - 2 * sizes.head) // sizes.layers
    return width * max(2 * layer, sizes.head)


def _activations(spec: TrainSpec, sizes: Sizes, tokens: int) -> int:
    """Bytes kept for the backward pass; attention keeps no scores (sdpa's fused kernels)."""
    width = 2 if spec.optimisation.precision == "bf16" else 4
    tokens //= spec.launcher.sequence_parallel
    heads = sizes.head_dim * (sizes.heads + 2 * sizes.kv_heads)
    inside = (4 if sizes.gated else 3) * sizes.inner_at_work
    layer = width * (3 * sizes.hidden + heads + 2 * sizes.head_dim * sizes.heads + inside)
    layer += 4 * 2 * sizes.hidden  # norms stay in float32
    if spec.tuning.method == "lora":
        layer += width * LORA_KEEPS * (2 * sizes.hidden + heads + inside // 2)
    kept = sizes.layers * layer
    if spec.optimisation.gradient_checkpointing:
        kept = 0 if spec.optimisation.offload_activations else width * sizes.hidden * sizes.layers
        kept += layer
    return tokens * (kept + BACKWARD * layer + 4 * 3 * sizes.hidden)


def _operations(spec: TrainSpec, sizes: Sizes, tokens: int, length: int) -> float:
    """Operations of a batch, forward and backward: two for each value and token forward, twice that backward,
    half of it where weights are frozen, one more forward pass with checkpointing (Kaplan et al. 2020,
    arXiv 2001.08361, section 2.1)."""
    forward = 2.0 * sizes.active + 4.0 * sizes.layers * length * sizes.heads * sizes.head_dim
    passes = 3 if spec.tuning.method == "full" else 2
    return forward * tokens * (passes + spec.optimisation.gradient_checkpointing)
