"""From one format of a dLLM to another, tensor by tensor: never more in memory than one stored tensor."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from jobs.models import checkpoint
from jobs.models.classes import model_class
from jobs.models.families import FAMILIES, Family
from jobs.models.gguf_source import is_gguf
from jobs.models.layout import Stored, arrange
from jobs.models.official import Source, layout_for
from jobs.models.shards import Entry, write_shards
from jobs.models.source import CARRIED, CONFIG, locate, read_config
from jobs.models.tokenizers import FILES as TOKENIZER_FILES
from jobs.models.tokenizers import has_tokenizer, load_tokenizer, needs_code
from jobs.models.weights import fingerprint
from jobs.protocol.errors import ModelError, SpecError
from jobs.protocol.folder import write_json
from jobs.specs.diffusion_config import FILE, DiffusionConfig
from jobs.specs.families import FAMILIES as TABLE
from jobs.specs.job import ConvertSpec

Report = Callable[[str, float], None]


@dataclass
class Opened:
    """A dLLM folder before its weights are read."""

    folder: Path
    family: Family | None
    """None for our own folders."""
    config: PreTrainedConfig
    diffusion: DiffusionConfig
    tokenizer: Tokenizer | None


def open_dllm(spec: ConvertSpec) -> Opened | None:
    """The source of a conversion if it is a dLLM, ours or official; None for everything else.

    Raises: ModelError.
    """
    if is_gguf(Path(spec.source)):
        return None
    folder = locate(spec.source)
    if (folder / FILE).is_file():
        tokenizer = load_tokenizer(folder) if has_tokenizer(folder) else None
        return Opened(folder, None, checkpoint.stock_config(folder), DiffusionConfig.load(folder), tokenizer)
    asked = spec.family if spec.target == "studio" else None
    family = checkpoint.official_family(folder, spec.source, asked)
    if family is None and spec.target == "official" and _is_unmarked(spec.family):
        family = checkpoint.official_family(folder, spec.source, spec.family)
    if family is None:
        return None
    tokenizer = checkpoint.official_tokenizer(folder, family)
    windows = spec.sliding_window
    diffusion = checkpoint.official_diffusion(folder, spec.source, family, tokenizer, None, windows)
    config, _ = checkpoint.official_config(folder, family, windows, diffusion.mask_token_id)
    return Opened(folder, family, config, diffusion, tokenizer)


def _is_unmarked(name: str | None) -> bool:
    """Whether a family's folders may look like any causal model's (DiffuLLaMA's do)."""
    return name in FAMILIES and not TABLE[name].classes and "plain" in FAMILIES[name].layouts


def rewrite(opened: Opened, spec: ConvertSpec, target: Path, report: Report) -> DiffusionConfig:
    """Write the dLLM in another format, layout or number format, read it back and compare every tensor.

    Raises: ModelError, SpecError.
    """
    family = target_family(opened.diffusion, spec)
    refuse_pointless(opened, family, spec)
    if family is opened.family is None and spec.layout is None and spec.dtype == "auto":
        raise ModelError(f"{opened.folder} is a dLLM checkpoint already; it needs no conversion.")
    report("reading the source", 0.0)
    config = opened.config
    source = Source(opened.folder, config, opened.family)
    cast = Cast(source, spec.dtype)
    layout = spec.layout or (family.layouts[0] if family is not None else "separate")
    if family is opened.family and layout == source.layout and not cast.changes:
        raise SpecError(f"{opened.folder} is in this format and layout already; there is nothing to convert.")
    stored = arrange(source.skeleton.shapes, layout_for(family, config, layout))
    settings = _config_json(opened, family, cast)
    aside = checkpoint.begin_folder(target)
    try:
        write_shards(
            aside,
            [_entry(tensor, cast) for tensor in stored.values()],
            lambda name: stored[name].build(cast.read),
            lambda share: report("writing", 0.05 + 0.55 * share),
        )
        write_json(aside / CONFIG, settings)
        carry(opened, aside, official=family is not None)
        check_same(cast, Source(aside, config, family), report)
        if family is None:
            opened.diffusion.save(aside)
        checkpoint.finish_folder(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    report("done", 1.0)
    return opened.diffusion


class Cast:
    """A source's atoms in the number format that was asked for; "auto" keeps each one's own.

    What the stock class always holds in float32 (LLaDA2's router bias) keeps its format: it only selects, and
    rounding it would send tokens to other experts.
    """

    def __init__(self, source: Source, dtype: str):
        self.source = source
        self.wanted = None if dtype == "auto" else getattr(torch, dtype)
        model = source.skeleton.model
        self._kept = {
            *(getattr(model, "_keep_in_fp32_modules", None) or ()),
            *(getattr(model, "_keep_in_fp32_modules_strict", None) or ()),
        }

    @property
    def changes(self) -> bool:
        """Whether any atom is going to be cast."""
        return any(self.dtype(atom) != self.source.dtype(atom) for atom in self.source.places)

    def dtype(self, atom: str) -> torch.dtype:
        own = self.source.dtype(atom)
        if self.wanted is None or not own.is_floating_point or any(part in atom for part in self._kept):
            return own
        return self.wanted

    def read(self, atom: str) -> Tensor:
        return self.source.read(atom).to(self.dtype(atom))


def check_same(cast: Cast, written: Source, report: Report) -> None:
    """Read both and compare every tensor by its hash. Raises: ModelError."""
    places = cast.source.places
    for done, atom in enumerate(places, 1):
        if fingerprint(cast.read(atom)) != fingerprint(written.read(atom)):
            raise ModelError(f"the written model differs from the source in {atom}; nothing was kept.")
        report("checking", 0.6 + 0.4 * done / len(places))


def target_family(diffusion: DiffusionConfig, spec: ConvertSpec) -> Family | None:
    """The family to write, None for our own format. Raises: SpecError if it cannot hold these settings."""
    if spec.target == "studio":
        return None
    name = spec.family or diffusion.family
    if name not in FAMILIES:
        raise SpecError(f"family: there is no {name!r}; there are {', '.join(FAMILIES)}.")
    family = FAMILIES[name]
    shifted = bool(family.traits({}).get("shifted_logits", False))
    if shifted != diffusion.shifted_logits:
        raise SpecError(
            f"family: {family.title}'s logits are {'' if shifted else 'not '}shifted, this model's are "
            f"{'' if diffusion.shifted_logits else 'not '}(shifted_logits), which its format cannot say. "
            "Choose another family, or for a causal source the other shifted_logits."
        )
    return family


def refuse_pointless(opened: Opened, family: Family | None, spec: ConvertSpec) -> None:
    """Options that mean nothing when the model is a dLLM already. Raises: SpecError."""
    fields = {"mask_token": None, "shifted_logits": False, "sliding_window": None}
    if family is None and opened.diffusion.sliding_window is not None and opened.family is not None:
        del fields["sliding_window"]  # an official folder with windows on the way to ours: keep or full
    for key, default in fields.items():
        if getattr(spec, key) != default:
            raise SpecError(f"{key}: {opened.folder} is a dLLM already and keeps its own; leave {key} out.")


def _entry(tensor: Stored, cast: Cast) -> Entry:
    dtypes = {cast.dtype(atom) for atom, _ in tensor.parts}
    if len(dtypes) > 1:
        raise ModelError(f"the parts of {tensor.name} have different number formats: {dtypes}.")
    return Entry(tensor.name, tensor.shape, dtypes.pop())


def _config_json(opened: Opened, family: Family | None, cast: Cast) -> dict[str, Any]:
    """What the new config.json says. Within one format all but the number format stays as it is."""
    raw = read_config(opened.folder)
    if family is not None and family is opened.family:
        data = raw
    elif family is not None:
        data = family.official_config(opened.config, opened.diffusion)
    else:
        opened.config.architectures = [model_class(opened.config).__name__]
        kept = raw.get("dtype") or raw.get("torch_dtype") or "float32"
        data = {**opened.config.to_dict(), "dtype": kept}
    if cast.wanted is None:
        return data
    key = "dtype" if family is None or "dtype" in data else "torch_dtype"  # as older code reads it
    return {**data, key: dtype_name(cast.wanted)}


def dtype_name(dtype: torch.dtype) -> str:
    """float32, bfloat16: as config.json writes it."""
    return str(dtype).removeprefix("torch.")


def carry(opened: Opened, aside: Path, official: bool) -> None:
    """Tokenizer and generation settings go along as they are, code never.

    A tokenizer that needs its folder's code is written anew by the stock class that reads it.
    """
    of_code = needs_code(opened.folder) and not official
    for name in CARRIED:
        if (opened.folder / name).is_file() and not (of_code and name in TOKENIZER_FILES):
            shutil.copyfile(opened.folder / name, aside / name)
    if of_code and opened.tokenizer is not None:
        opened.tokenizer.save_pretrained(aside)
