"""What a model would gain and lose in bfloat16 on this machine: a short probe against float32.

Shape suffixes: B rows (one), L positions of the canvas, M masked positions, V vocabulary.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from jobs.models.checkpoint import Checkpoint
from jobs.programs import device
from jobs.programs.generation import positions

LENGTH = 64  # of the canvas; shorter for models that take less
PASSES = 5  # of each number format, taken in turn


@dataclass(frozen=True)
class Precision:
    """What the probe found."""

    float32_seconds: float
    bfloat16_seconds: float
    """Of one pass over the canvas, the median of PASSES."""
    predictions: int
    """Masked positions that both were asked about, over all passes."""
    same: int
    """Where both found the same token likeliest."""
    device: str

    @property
    def speedup(self) -> float:
        """How many times as fast bfloat16 is; below 1 it is slower."""
        return self.float32_seconds / self.bfloat16_seconds

    @property
    def words(self) -> str:
        """The finding as a person is told it."""
        if self.speedup >= 1:
            pace = f"bfloat16 is {self.speedup:.1f} times as fast here"
        else:
            pace = f"bfloat16 takes {1 / self.speedup:.1f} times as long here"
        return f"{pace}; {self.same} of {self.predictions} predictions are the same."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "speedup": self.speedup, "words": self.words}


@torch.no_grad()
def probe(full: Checkpoint, half: Checkpoint) -> Precision:
    """Compare one model held in float32 and in bfloat16, while a canvas of masks is filled.

    What float32 is surest of is written, a share in each pass, and both are asked about the same canvas each
    time: so early and late canvases count alike. The end of the text is never written; a canvas full of it
    would make agreeing easy. Raises: SpecError for a model that fills no masks.
    """
    # 1. A canvas of masks, and an untimed pass of each, for what only the first one does.
    where = next(full.model.parameters()).device
    length = min(LENGTH, positions(full.model) or LENGTH)
    ids_BL = torch.full((1, length), full.config.mask_token_id, device=where)
    never = [i for i in (full.config.mask_token_id, full.eos_id, full.eot_id) if i is not None]
    denoisers = {"float32": full.denoiser(), "bfloat16": half.denoiser()}
    device.use_threads_for(device.parameters(full.model), length)
    for denoiser in denoisers.values():
        denoiser(ids_BL)
    # 2. Pass by pass, in turn.
    seconds: dict[str, list[float]] = {name: [] for name in denoisers}
    predictions = same = 0
    for left in range(PASSES, 0, -1):
        masked_M = (ids_BL[0] == full.config.mask_token_id).nonzero().flatten()
        found_MV = {}
        for name, denoiser in denoisers.items():
            logits_BMV, took = _timed(lambda ask=denoiser, at=masked_M: ask(ids_BL, at=at), where)
            seconds[name].append(took)
            found_MV[name] = logits_BMV[0].index_fill(-1, torch.tensor(never, device=where), -torch.inf)
        predictions += len(masked_M)
        same += int((found_MV["float32"].argmax(-1) == found_MV["bfloat16"].argmax(-1)).sum())
        # 3. What float32 is surest of.
        confidence_M, token_M = found_MV["float32"].softmax(-1).max(-1)
        surest = confidence_M.topk(-(-len(masked_M) // left)).indices
        ids_BL[0, masked_M[surest]] = token_M[surest]
        if len(surest) == len(masked_M):
            break
    return Precision(
        median(seconds["float32"]), median(seconds["bfloat16"]), predictions, same, device=where.type
    )


def _timed(work: Callable[[], Tensor], where: torch.device) -> tuple[Tensor, float]:
    begun = time.perf_counter()
    result = work()
    if where.type == "cuda":
        torch.cuda.synchronize(where)
    return result, time.perf_counter() - begun
