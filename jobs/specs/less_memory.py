"""What a job could change to need less memory, by its own spec."""

from jobs.specs.job import JobSpec, SampleSpec, TrainSpec


def less_memory(spec: JobSpec | None) -> str:
    """Sentences that name the settings, the cheapest first; what is set already is left out."""
    if isinstance(spec, TrainSpec):
        return _training(spec)
    if isinstance(spec, SampleSpec) and spec.batch_size > 1:
        return f"Lower batch_size from {spec.batch_size}, or choose a smaller model."
    return "Choose a smaller model, or a device with more memory."


def _training(spec: TrainSpec) -> str:
    run, launcher, found = spec.optimisation, spec.launcher, []
    if run.batch_size > 1:
        rows = max(n for n in range(1, run.batch_size) if run.batch_size % n == 0)
        batches = run.gradient_accumulation * run.batch_size // rows
        found.append(
            f"optimisation.batch_size: {rows} with gradient_accumulation: {batches}, which is the same step"
        )
    if not run.gradient_checkpointing:
        found.append("optimisation.gradient_checkpointing: true")
    if run.precision == "fp32" and launcher.device != "cpu":
        found.append("optimisation.precision: bf16")
    if spec.tuning.method == "full":
        found.append("tuning.method: lora")
    elif spec.tuning.method == "lora" and spec.tuning.quantize == "none" and launcher.device != "cpu":
        found.append("tuning.quantize: 4bit")
    if not launcher.splits_weights:
        found.append("launcher.name: fsdp over several devices")
    elif not launcher.offload_weights:
        found.append("launcher.offload_weights: true")
    found.append(f"a data.max_length below {spec.data.max_length}")
    return f"What helps, the cheapest first: {'; '.join(found)}."
