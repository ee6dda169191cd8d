"""A probe: three real steps of a training, measured, with nothing saved."""

from jobs.protocol.errors import SpecError
from jobs.specs.job import JobSpec, TrainSpec

STEPS = 3
LIMIT = 2000  # rows read at most: a probe must not read a whole corpus


def probe_of(spec: JobSpec) -> TrainSpec:
    """The probe of a training: the same program, model, launcher and batches.

    Raises: SpecError for other jobs.
    """
    if not isinstance(spec, TrainSpec):
        raise SpecError(f"A probe measures a training; this is a job of kind {spec.kind}.")
    if spec.report.probe_of:
        return spec
    steps = spec.optimisation.steps
    report = {"probe_of": steps, "log_every": 1, "evaluate_every": 0, "save_every": 0, "sample_every": 0}
    data = {"validation": 0.0, "limit": min(spec.data.limit or LIMIT, LIMIT)}
    changes = {
        "data": spec.data.model_copy(update=data),
        "optimisation": spec.optimisation.model_copy(update={"steps": STEPS, "warmup_steps": 0}),
        "report": spec.report.model_copy(update={**report, "prompts": []}),
    }
    name = f"Probe of {spec.name or 'a training'}"[:120]
    return spec.model_copy(update={**changes, "name": name})
