"""From one format of a dLLM to another, tensor by tensor: never more in memory than one stored tensor."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    if family is None and spec.target == "official" and spec.family is not None:
        family = checkpoint.official_family(folder, spec.source, spec.family)
    if family is None:
        return None
    tokenizer = checkpoint.official_tokenizer(folder, family)
    diffusion = checkpoint.official_diffusion(folder, spec.source, family, tokenizer, None)
    return Opened(folder, family, family.stock_config(read_config(folder)), diffusion, tokenizer)


def rewrite(opened: Opened, spec: ConvertSpec, target: Path, report: Report) -> DiffusionConfig:
    """Write the dLLM in another format or expert layout, read it back and compare every tensor.

    Raises: ModelError, SpecError.
    """
    family = _target_family(opened, spec)
    _refuse_pointless(opened, family, spec)
    report("reading the source", 0.0)
    config = opened.config
    source = Source(opened.folder, config, opened.family)
    layout = spec.layout or (family.layouts[0] if family is not None else "separate")
    if family is opened.family and layout == source.layout:
        raise SpecError(f"{opened.folder} is in this format and layout already; there is nothing to convert.")
    stored = arrange(source.skeleton.shapes, layout_for(family, config, layout))
    settings = _config_json(opened, family)
    aside = checkpoint.begin_folder(target)
    try:
        entries = [_entry(tensor, source) for tensor in stored.values()]
        write_shards(
            aside,
            entries,
            lambda name: stored[name].build(source.read),
            lambda share: report("writing", 0.05 + 0.55 * share),
        )
        write_json(aside / CONFIG, settings)
        _carry(opened, aside, official=family is not None)
        check_same(source, Source(aside, config, family), report)
        if family is None:
            opened.diffusion.save(aside)
        checkpoint.finish_folder(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    report("done", 1.0)
    return opened.diffusion


def check_same(source: Source, written: Source, report: Report) -> None:
    """Read both and compare every tensor by its hash. Raises: ModelError."""
    total = len(source.places)
    for done, atom in enumerate(source.places, 1):
        if fingerprint(source.read(atom)) != fingerprint(written.read(atom)):
            raise ModelError(f"the written model differs from the source in {atom}; nothing was kept.")
        report("checking", 0.6 + 0.4 * done / total)


def _target_family(opened: Opened, spec: ConvertSpec) -> Family | None:
    if spec.target == "studio":
        return None
    name = spec.family or opened.diffusion.family
    if name not in FAMILIES:
        raise SpecError(f"family: there is no {name!r}; there are {', '.join(FAMILIES)}.")
    return FAMILIES[name]


def _refuse_pointless(opened: Opened, family: Family | None, spec: ConvertSpec) -> None:
    """Options that mean nothing when the model is a dLLM already. Raises: ModelError, SpecError."""
    if family is None and opened.family is None and spec.layout is None:
        raise ModelError(f"{opened.folder} is a dLLM checkpoint already; it needs no conversion.")
    fields = {"mask_token": None, "shifted_logits": False, "sliding_window": None, "dtype": "auto"}
    for key, default in fields.items():
        if getattr(spec, key) != default:
            raise SpecError(f"{key}: {opened.folder} is a dLLM already and keeps its own; leave {key} out.")


def _entry(tensor: Stored, source: Source) -> Entry:
    dtypes = {source.dtype(atom) for atom, _ in tensor.parts}
    if len(dtypes) > 1:
        raise ModelError(f"the parts of {tensor.name} have different number formats: {dtypes}.")
    return Entry(tensor.name, tensor.shape, dtypes.pop())


def _config_json(opened: Opened, family: Family | None) -> dict[str, Any]:
    """What the new config.json says. Only another layout of the same format keeps it as it is."""
    if family is not None:
        if family is opened.family:
            return read_config(opened.folder)
        return family.official_config(opened.config, opened.diffusion)
    config = opened.config
    config.architectures = [model_class(config).__name__]
    return {**config.to_dict(), "dtype": read_config(opened.folder).get("torch_dtype") or "float32"}


def _carry(opened: Opened, aside: Path, official: bool) -> None:
    """Tokenizer and generation settings go along as they are, code never.

    A tokenizer that needs its folder's code is written anew by the stock class that reads it.
    """
    of_code = needs_code(opened.folder) and not official
    for name in CARRIED:
        if (opened.folder / name).is_file() and not (of_code and name in TOKENIZER_FILES):
            shutil.copyfile(opened.folder / name, aside / name)
    if of_code and opened.tokenizer is not None:
        opened.tokenizer.save_pretrained(aside)
