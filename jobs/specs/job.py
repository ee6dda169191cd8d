"""The job types and their specs. KINDS is the list of names."""

from typing import Any, Literal

from pydantic import Field, model_validator

from jobs.specs.base import Spec
from jobs.specs.combinations import unfit
from jobs.specs.data import DataSpec
from jobs.specs.diffusion_config import GridShape
from jobs.specs.families import FAMILIES
from jobs.specs.launcher import LauncherSpec
from jobs.specs.objective import ObjectiveSpec
from jobs.specs.optimisation import OptimisationSpec
from jobs.specs.queue import QueueSpec
from jobs.specs.refused import refuse
from jobs.specs.samplers import LLaDASampler, SamplerSpec
from jobs.specs.slurm import SlurmSpec
from jobs.specs.tuning import TuningSpec

HERE_ONLY = ("serve", "inspect")
MASKED_FAMILIES = tuple(name for name, info in FAMILIES.items() if info.noise == "mask")


class JobSpec(Spec):
    """What every job has."""

    version: Literal[1] = 1
    kind: str
    name: str = Field(default="", max_length=120)
    """A name for people; may repeat."""
    launcher: LauncherSpec = LauncherSpec()
    priority: int = Field(default=0, ge=-100, le=100)
    """Higher starts first."""
    queue: QueueSpec = QueueSpec()
    slurm: SlurmSpec | None = None
    """Run it in a Slurm cluster with these settings. None: on this machine."""

    @model_validator(mode="after")
    def _slurm_fits(self) -> "JobSpec":
        if self.slurm is None:
            return self
        if self.kind in HERE_ONLY:
            raise ValueError(f"a {self.kind} job answers the page and runs on this machine; leave slurm out")
        if self.launcher.hosts or self.launcher.hostfile:
            raise ValueError(
                "Slurm chooses the machines: set slurm.nodes; leave launcher.hosts and hostfile out"
            )
        if self.slurm.nodes > 1 and self.launcher.name == "python":
            raise ValueError("python runs on one machine; with slurm.nodes set launcher.name to torchrun")
        return self


class NewModelSpec(Spec):
    """A model that starts from random weights: a stock transformers class, or a family's debug size."""

    architecture: str | None = None
    """A transformers model type: gpt2, llama, qwen2, qwen3 ..."""
    family: str | None = None
    """Instead of an architecture, the debug size of a family: llada, dream, llada2 ... It has everything that
    the published models have but their size, and trains on a CPU in seconds."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Keys of the config: hidden_size, num_hidden_layers ... Of a family: those of its own config.json."""
    tokenizer: str
    """Tokenizer folder, bundled name, or `characters:0123456789` for one token a character."""
    grid: GridShape | None = None
    """Start the position table as row + column + box vectors (GPT-2 only)."""
    sampler: dict[str, Any] = Field(default_factory=dict)
    """Recommended sampler settings to store in the checkpoint."""
    note: str = ""
    """One line for the model list."""

    @model_validator(mode="after")
    def _one_kind(self) -> "NewModelSpec":
        if (self.architecture is None) == (self.family is None):
            raise ValueError("give either architecture (a transformers model type) or family, not both")
        if self.family is not None and self.family not in MASKED_FAMILIES:
            raise ValueError(
                f"there is no family {self.family!r} to start anew; known: {', '.join(MASKED_FAMILIES)}"
            )
        if self.family is not None and self.grid is not None:
            raise ValueError("grid needs architecture gpt2, not a family")
        return self


class ModelSpec(Spec):
    """The model that a training starts from: a checkpoint or a new one."""

    path: str | None = None
    """A dLLM checkpoint: a folder, a listed model's name, or `run:train-0001` for a run's result."""
    new: NewModelSpec | None = None
    """Random weights instead."""

    @model_validator(mode="after")
    def _one_source(self) -> "ModelSpec":
        if (self.path is None) == (self.new is None):
            raise ValueError("give either path (a checkpoint) or new (random weights), not both")
        return self


class ReportSpec(Spec):
    """What is logged, saved and shown, and how often (in steps)."""

    log_every: int = Field(default=5, ge=1)
    """Steps between two points of the curves."""
    evaluate_every: int = Field(default=0, ge=0)
    """Steps between two validations with fixed masks; 0: at the end only."""
    save_every: int = Field(default=0, ge=0)
    """Steps between two checkpoints; 0: on stop and at the end only."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Older ones are deleted."""
    sample_every: int = Field(default=0, ge=0)
    """Steps between two unmaskings of the prompts; 0: at the end only."""
    prompts: list[str] = Field(default_factory=list)
    """Fixed prompts to unmask; in a grid `.` or `0` is a blank cell, in text `____` is."""
    sampler: SamplerSpec | None = None
    """Sampler for these prompts; none: the model's own preset."""
    report_to: Literal["none", "tensorboard", "wandb", "trackio"] = "none"
    """Send the curves to another program as well: tensorboard writes into the run folder, wandb sends them to
    its servers, trackio keeps them on this machine."""
    probe_of: int = Field(default=0, ge=0)
    """Not 0: the steps measure memory and time of a training of so many, and no model is saved."""


class TrainSpec(JobSpec):
    """Train a dLLM."""

    kind: Literal["train"] = "train"
    model: ModelSpec
    data: DataSpec
    objective: ObjectiveSpec | None = None
    """None: the one that the checkpoint was trained with; mdlm for a new model."""
    tuning: TuningSpec = TuningSpec()
    optimisation: OptimisationSpec = OptimisationSpec()
    report: ReportSpec = ReportSpec()

    _refuse = model_validator(mode="before")(refuse)

    @model_validator(mode="after")
    def _optimizer_goes_with_the_rest(self) -> "TrainSpec":
        for text, found in unfit(self.optimisation, self.tuning, self.launcher).items():
            if found:
                raise ValueError(text)
        return self

    @property
    def sends_weights(self) -> bool:
        """Whether rank 0 alone reads the weights and sends them to the others.

        Not those that each process makes from a seed, nor those of which a tuning computes something before
        they could be sent: 4-bit scales, PiSSA's start.
        """
        together = self.launcher.processes > 1 or bool(self.launcher.hosts)
        computed = self.tuning.quantize != "none" or self.tuning.start == "pissa"
        return together and self.model.path is not None and not computed


class ConvertSpec(JobSpec):
    """Turn a causal language model into a diffusion language model, a dLLM into another format, or merge a
    LoRA adapter into either."""

    kind: Literal["convert"] = "convert"
    source: str
    """A transformers folder, a LoRA adapter's folder, a .gguf file, or a Hub id."""
    lora_base: str | None = None
    """LoRA adapters: the model that it was trained on. None: as its adapter_config.json says."""
    mask_token: str | None = None
    """Mask token to use; added if the tokenizer lacks it. None: its own mask token, else add <|mask|>."""
    shifted_logits: bool = False
    """Keep the next-token alignment: position i - 1 predicts token i (as DiffuLLaMA and Dream do)."""
    sliding_window: Literal["keep", "full"] | None = None
    """Models with window layers: keep the window on both sides, or open it to full attention. None: causal
    models must be given one, dLLMs do as their own code does."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the written weights; auto keeps the source's."""
    target: Literal["studio", "official"] = "studio"
    """studio: a folder of ours. official: the format of a family, for other programs."""
    family: str | None = None
    """The source's family where its folder does not say it; with target official the family to write."""
    layout: str | None = None
    """How experts are written: separate (the Hub), merged (VeOmni), fused. None: as on the Hub."""


class PrepareSpec(JobSpec):
    """Tokenize data ahead of time, into files that trainings read without holding them in memory."""

    kind: Literal["prepare"] = "prepare"
    data: DataSpec
    tokenizer: str
    """The tokenizer to use: that of a model (its folder or name), a folder, or a bundled name."""
    workers: int = Field(default=0, ge=0, le=512)
    """Processes that tokenize; 0: as many as there are cores."""
    folder: str | None = None
    """Where prepared data is kept, so that the same is made once. None: prepared/ in the home folder."""


class SampleSpec(JobSpec):
    """Answer a file of prompts."""

    kind: Literal["sample"] = "sample"
    model: str
    """A dLLM checkpoint: folder, listed name, or `run:ID`."""
    prompts: str
    """A .txt file (a prompt a line) or .jsonl with prompt or messages."""
    sampler: SamplerSpec | None = None
    """None: the model's own preset."""
    batch_size: int = Field(default=8, ge=1, le=1024)
    """Prompts sampled together."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Same seed, same answers."""
    trajectories: bool = False
    """Keep every prompt's unmasking in samples/."""


class ServeSpec(JobSpec):
    """Hold a model ready for the playground."""

    kind: Literal["serve"] = "serve"
    model: str | None = None
    """Loaded at once; others on request."""
    idle_seconds: int = Field(default=900, ge=5)
    """Leave after so long without a request."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format in memory; auto keeps the checkpoint's on a GPU and float32 on a CPU. `studio probe` says
    what bfloat16 gains and changes."""
    compile: bool = False
    """Compile models by torch.compile, as CUDA graphs on a GPU. The first passes of a length take seconds to
    minutes; passes that read from a cache are not compiled."""


class InspectSpec(JobSpec):
    """Look at data for the page: checks, statistics, previews."""

    kind: Literal["inspect"] = "inspect"
    idle_seconds: int = Field(default=300, ge=5)
    """Leave after so long without a question."""


KINDS: dict[str, type[JobSpec]] = {
    "train": TrainSpec,
    "convert": ConvertSpec,
    "prepare": PrepareSpec,
    "sample": SampleSpec,
    "serve": ServeSpec,
    "inspect": InspectSpec,
}

__all__ = [
    "KINDS",
    "ConvertSpec",
    "InspectSpec",
    "JobSpec",
    "LLaDASampler",
    "PrepareSpec",
    "SampleSpec",
    "ServeSpec",
    "TrainSpec",
]
