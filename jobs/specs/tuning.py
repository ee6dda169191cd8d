"""Which weights a training changes: all of them, LoRA's matrices, some layers, or new layers."""

from typing import Literal

from pydantic import Field, model_validator

from jobs.specs.base import Spec


class TuningSpec(Spec):
    """Which weights are trained."""

    method: Literal["full", "lora", "layers", "expand"] = "full"
    """full: all weights. lora: small added matrices, merged at the end. layers: some layers, the others stay
    as they are. expand: new layers that change nothing at first (LLaMA Pro), and only these."""
    freeze: str | None = None
    """Parts that stay as they are: vision, merger, or nothing. None: vision, in models that see images."""
    modules_to_save: str = ""
    """Whole modules that are trained too, by name and separated by commas, such as embed_tokens, lm_head or
    norm. Not with full, which trains them all."""
    layers: int = Field(default=2, ge=-512, le=512)
    """layers: how many are trained, the last ones, or with a minus the first; 0: modules_to_save alone.
    expand: how many are added, spread evenly."""
    rank: int = Field(default=16, ge=1, le=1024)
    """LoRA: rank of the added matrices."""
    alpha: float = Field(default=32.0, gt=0)
    """LoRA: their scale is alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """LoRA: dropout on their input."""
    targets: str = "family"
    """LoRA: family (what suits the model's family), all-linear, or module names separated by commas. Routers
    are never trained."""
    experts: bool = False
    """LoRA: train the experts of a mixture too; many more weights. Not with dropout."""
    start: Literal["zero", "pissa"] = "zero"
    """LoRA: zero changes nothing at first; pissa takes the largest singular directions of each weight."""
    rslora: bool = False
    """LoRA: scale by alpha / sqrt(rank), which keeps large ranks from learning too slowly (rsLoRA)."""
    dora: bool = False
    """LoRA: train the length of each weight's rows beside their direction (DoRA); slower."""
    lora_plus: float = Field(default=1.0, ge=1, le=1000)
    """LoRA: the second matrix learns so many times as fast as the first (LoRA+; 16 is usual); 1 is off."""
    quantize: Literal["none", "4bit"] = "none"
    """LoRA: keep the frozen weights in 4 bits (QLoRA, bitsandbytes' nf4), a quarter of what bf16 needs."""

    @model_validator(mode="after")
    def _fits(self) -> "TuningSpec":
        problems = {
            "experts cannot be trained with dropout; set one of the two to 0 or false": (
                self.experts and self.dropout
            ),
            "experts cannot be trained with dora; turn one of the two off": self.experts and self.dora,
            "experts cannot be trained in 4 bits; set quantize to none or experts to false": (
                self.experts and self.quantize != "none"
            ),
            "pissa needs the weights themselves; set quantize to none or start to zero": (
                self.start == "pissa" and self.quantize != "none"
            ),
            "quantize keeps frozen weights small; it goes with method lora only": (
                self.quantize != "none" and self.method != "lora"
            ),
            "modules_to_save is for lora, layers and expand; full trains every module": (
                bool(self.modules_to_save) and self.method == "full"
            ),
            "nothing would be trained; raise layers or name modules_to_save": (
                self.method == "layers" and self.layers == 0 and not self.modules_to_save
            ),
            "expand adds layers; set layers to 1 or more": self.method == "expand" and self.layers < 1,
        }
        for text, found in problems.items():
            if found:
                raise ValueError(text)
        return self

    @property
    def whole_modules(self) -> list[str]:
        """The names in `modules_to_save`."""
        return [name.strip() for name in self.modules_to_save.split(",") if name.strip()]
