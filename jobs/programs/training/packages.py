"""Optional packages and devices that a training asks for, looked for before the model is loaded."""

from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import nn

from jobs.protocol.errors import ModelError, ResourceError
from jobs.specs.job import TrainSpec
from jobs.specs.optimisation import OPTIMIZERS

FOR_GPUS = {
    "liger_kernels": "Liger's kernels run on an NVIDIA GPU",
    "offload_activations": "it moves activations from a GPU to main memory",
}
"""Settings that need a GPU, and why."""


class Need(NamedTuple):
    """A package that a setting asks for."""

    setting: str
    package: str
    module: str


def needs(spec: TrainSpec) -> list[Need]:
    """The packages beside the studio's own that this training uses."""
    o, info = spec.optimisation, OPTIMIZERS[spec.optimisation.optimizer]
    found = []
    if info.package is not None and info.module is not None:
        found.append(Need(f"optimisation.optimizer: {o.optimizer}", info.package, info.module))
    if spec.tuning.quantize != "none":
        found.append(Need(f"tuning.quantize: {spec.tuning.quantize}", "bitsandbytes", "bitsandbytes"))
    if spec.report.report_to != "none":
        found.append(Need("report.report_to", spec.report.report_to, spec.report.report_to))
    if o.liger_kernels:
        found.append(Need("optimisation.liger_kernels", "liger-kernel", "liger_kernel"))
    return found


def check(spec: TrainSpec, device: torch.device) -> None:
    """Raises: ResourceError for a missing package, with the command that installs it, or a missing GPU."""
    for setting, what in FOR_GPUS.items():
        if getattr(spec.optimisation, setting) and device.type != "cuda":
            raise ResourceError(
                f"optimisation.{setting}: {what}, and this training is on {device.type}. Set it to false."
            )
    for need in needs(spec):
        if find_spec(need.module) is None:
            raise ResourceError(
                f"{need.setting} needs a package that is not installed. Install it with: pip install "
                f"{need.package}"
            )


def check_liger(model: nn.Module) -> None:
    """Raises: ModelError for a model that Liger would leave as it is without a word."""
    from liger_kernel.transformers.monkey_patch import (  # noqa: PLC0415 - optional, and needs a GPU's compiler
        MODEL_TYPE_TO_APPLY_LIGER_FN as KNOWN,
    )

    kind = model.config.model_type
    if kind not in KNOWN:
        raise ModelError(f"optimisation.liger_kernels: Liger does not know {kind} models; set it to false.")
