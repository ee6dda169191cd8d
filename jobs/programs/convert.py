"""Turn a causal language model into a dLLM: `python -m jobs.programs.convert RUN_FOLDER`."""

import sys

from jobs.models.convert import convert
from jobs.programs.process import Process, main
from jobs.specs.job import ConvertSpec

PARTS = 100  # steps of the progress bar


def run(process: Process) -> None:
    """From `spec.source` to run/model and result.json."""
    spec: ConvertSpec = process.spec
    phases: list[str] = []

    def report(phase: str, share: float) -> None:
        process.check_stop()
        if phases[-1:] != [phase]:
            phases.append(phase)
            process.phase(phase)
        process.progress(round(share * PARTS), PARTS, None)

    config = convert(spec, process.run.model, report)
    process.note(
        f"Converted {spec.source}: family {config.family}, mask token id {config.mask_token_id}, "
        f"logits {'shifted' if config.shifted_logits else 'not shifted'}."
    )
    process.finish("succeeded", model="model", config=config.model_dump(mode="json"))


if __name__ == "__main__":
    sys.exit(main("convert", run))
