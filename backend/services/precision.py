"""What bfloat16 gains and changes for a model on this machine, and holding a model in a number format."""

from typing import Any, Literal

from backend.services.models import ModelService
from backend.services.sampling import SamplingService

PATIENCE = 600.0  # seconds for starting a server and reading a model, twice, from a slow disk

Dtype = Literal["auto", "float32", "bfloat16"]


class PrecisionService:
    """Asks the model server, which is started if there is none."""

    def __init__(self, sampling: SamplingService, models: ModelService):
        self.sampling = sampling
        self.models = models

    def probe(self, model: str) -> dict[str, Any]:
        """A few passes in float32 and in bfloat16: `speedup`, `predictions`, `same` of them, and `words`
        (jobs.programs.precision). Waits for the finding; requests at work wait with it.

        Raises: ModelError, JobError.
        """
        path = self.models.dllm(model)
        reply = self.sampling.tell(path, {"op": "probe", "model": str(path)}, PATIENCE)
        return {name: value for name, value in reply.items() if name != "ok"}

    def load(self, model: str, dtype: Dtype = "auto") -> None:
        """Have the server hold a model in a number format, until that server leaves. Waits for the requests
        that have begun on it. Raises: ModelError, JobError.
        """
        path = self.models.dllm(model)
        self.sampling.tell(path, {"op": "load", "model": str(path), "dtype": dtype}, PATIENCE)
