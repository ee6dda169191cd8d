"""Conversion: a causal language model becomes a dLLM, a dLLM goes into another format, LoRA is merged."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from jobs.models import checkpoint, gguf_source, rewrite
from jobs.models.bidirectional import (
    WINDOW_CHOICES,
    causal_layers,
    has_windows,
    make_bidirectional,
    open_windows,
    switch_off_causality,
)
from jobs.models.classes import VISION
from jobs.models.embeddings import give_row
from jobs.models.images import FILES as PROCESSOR_FILES
from jobs.models.lora_source import Adapter, open_adapter
from jobs.models.source import CONFIG, locate, read_config
from jobs.models.tokenizers import give_mask_token, load_tokenizer
from jobs.models.weights import weight_files
from jobs.models.write_model import Writing, write_model
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.job import ConvertSpec

Report = Callable[[str, float], None]


@dataclass
class Source:
    """An opened causal language model."""

    path: Path
    config: PreTrainedConfig
    tokenizer: Tokenizer


def convert(spec: ConvertSpec, target: Path, report: Report) -> DiffusionConfig:
    """Write the dLLM made from `spec.source` to `target`; `report(text, share done)` tells how far it is.

    A causal model becomes a dLLM, a dLLM goes into another format (jobs.models.rewrite), a LoRA adapter is
    merged into its base on the way (jobs.models.lora_source). The result is read back and checked before it
    gets its name: same tensors, and a later token matters to an earlier position.
    Raises: ModelError, SpecError; each names what to change.
    """
    adapter = None if _is_gguf(spec) else open_adapter(spec.source, spec.lora_base)
    if adapter is None and spec.lora_base is not None:
        raise SpecError(f"lora_base: {spec.source} is no LoRA adapter; leave lora_base out.")
    base = spec if adapter is None else spec.model_copy(update={"source": adapter.base})
    dllm = rewrite.open_dllm(base)
    if dllm is None:
        return _from_causal(base, adapter, target, report)
    if adapter is None:
        return rewrite.rewrite(dllm, spec, target, report)
    return _merge(dllm, adapter, spec, target, report)


def _from_causal(spec: ConvertSpec, adapter: Adapter | None, target: Path, report: Report) -> DiffusionConfig:
    """Mask off, mask token, DiffusionConfig; in our own format or, with target official, in a family's."""
    # 1. Everything that can be said before the weights are read.
    report("reading the source", 0.0)
    source = open_source(spec)
    tokenizer = (adapter.tokenizer() if adapter is not None else None) or source.tokenizer
    windows = _choose_windows(spec, source)
    mask_id, added = give_mask_token(tokenizer, spec.mask_token)
    kind = source.config.model_type
    diffusion = DiffusionConfig(
        family=kind if kind in VISION else "a2d",
        mask_token_id=mask_id,
        shifted_logits=spec.shifted_logits,
        sliding_window=windows,
        source=str(adapter.folder) if adapter is not None else spec.source,
    )
    family = rewrite.target_family(diffusion, spec)
    _check_layout(spec)
    if family is not None:
        diffusion = diffusion.model_copy(update={**family.traits({}), "family": family.name})
        family.official_config(source.config, diffusion)  # refuses what the format cannot hold

    # 2. Weights, adapter, mask off, a row for the mask token.
    def build() -> PreTrainedModel:
        report("reading the weights", 0.1)
        model = _read_model(spec, source)
        if adapter is not None:
            model = adapter.merge(model, None)
        make_bidirectional(model)
        if added or mask_id >= model.get_input_embeddings().weight.shape[0]:
            give_row(model, mask_id, len(tokenizer))
        return model

    def accompany(folder: Path) -> None:
        tokenizer.save_pretrained(folder)
        for name in PROCESSOR_FILES:
            if kind in VISION and (source.path / name).is_file():
                shutil.copyfile(source.path / name, folder / name)

    what = Writing(diffusion, tokenizer, accompany, family, spec.layout)
    return write_model(build, what, target, report)


def _merge(
    dllm: rewrite.Opened, adapter: Adapter, spec: ConvertSpec, target: Path, report: Report
) -> DiffusionConfig:
    """A dLLM with an adapter in its weights, in our own format or a family's."""
    report("reading the source", 0.0)
    family = rewrite.target_family(dllm.diffusion, spec)
    rewrite.refuse_pointless(dllm, family, spec)
    _check_layout(spec)
    diffusion = dllm.diffusion.model_copy(update={"source": str(adapter.folder)})
    own = adapter.tokenizer()

    def build() -> PreTrainedModel:
        report("reading the weights", 0.1)
        dtype = spec.dtype if spec.dtype == "auto" else getattr(torch, spec.dtype)
        if dllm.family is None:
            model = checkpoint.load_stock(dllm.folder, dllm.config, dtype)
        else:
            model = checkpoint.load_official(dllm.folder, dllm.family, dtype, diffusion.sliding_window)
        report("merging the adapter", 0.4)
        return make_bidirectional(adapter.merge(model, dllm.family))

    def accompany(folder: Path) -> None:
        rewrite.carry(dllm, folder, official=family is not None)
        if own is not None:
            own.save_pretrained(folder)

    what = Writing(diffusion, own or dllm.tokenizer, accompany, family, spec.layout)
    return write_model(build, what, target, report)


def _check_layout(spec: ConvertSpec) -> None:
    if spec.target == "studio" and spec.layout is not None:
        raise SpecError(
            "layout: our own folders are written as on the Hub first; change the layout after that."
        )


def _choose_windows(spec: ConvertSpec, source: Source) -> checkpoint.Windows | None:
    """What becomes of window layers; opens them in the config if that is the choice. Raises: SpecError."""
    if not has_windows(source.config):
        return None
    if spec.sliding_window is None:
        raise SpecError(
            f"{source.path} has layers that see only a window of {_window_length(source.config)} tokens; "
            f"choose {WINDOW_CHOICES}."
        )
    if spec.sliding_window == "full":
        open_windows(source.config)
    return spec.sliding_window


def _is_gguf(spec: ConvertSpec) -> bool:
    return gguf_source.is_gguf(Path(spec.source))


def open_source(spec: ConvertSpec) -> Source:
    """Config and tokenizer of the source, refused early where they cannot do. Raises: ModelError."""
    path = Path(spec.source).expanduser()
    if gguf_source.is_gguf(path):
        gguf_source.check(path)
        return Source(path, gguf_source.read_config(path), gguf_source.read_tokenizer(path))
    folder = locate(spec.source)
    raw = read_config(folder)
    weight_files(folder)
    check_causal(raw, folder)
    config = checkpoint.stock_config(folder)
    stuck = causal_layers(config)
    if stuck:
        raise ModelError(
            f"{folder} has {', '.join(stuck)} layers, which read a text in one direction only; "
            "choose a model whose layers are all full or sliding attention."
        )
    return Source(folder, config, load_tokenizer(folder))


def check_causal(raw: dict[str, Any], folder: Path) -> None:
    """Whether config.json is that of a causal language model of transformers. Raises: ModelError."""
    kind = raw.get("model_type")
    name = (raw.get("architectures") or [None])[0]
    if kind in VISION and name == VISION[kind].__name__:
        return
    known = {
        cls
        for entry in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
        for cls in (entry if isinstance(entry, (list, tuple)) else (entry,))
    }
    if raw.get("auto_map") and kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelError(
            f"{folder} needs its own Python code ({kind!r} is no model type of transformers); "
            "the studio runs no code from model folders."
        )
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or (name is not None and name not in known):
        raise ModelError(
            f"{folder} is not a causal language model: {CONFIG} says {name or kind!r}. "
            "Give one such as GPT-2, Llama or Qwen."
        )
    # BERT and its kin have causal classes too, but were trained as encoders.
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not raw.get("is_decoder"):
        raise ModelError(f"{folder} is not a causal language model: {kind} is an encoder.")


def _read_model(spec: ConvertSpec, source: Source) -> PreTrainedModel:
    switch_off_causality(source.config)
    if gguf_source.is_gguf(source.path):
        dtype = torch.float32 if spec.dtype == "auto" else getattr(torch, spec.dtype)
        return gguf_source.read_model(source.path, source.config, dtype)
    dtype = "auto" if spec.dtype == "auto" else getattr(torch, spec.dtype)
    return checkpoint.load_stock(source.path, source.config, dtype)


def _window_length(config: PreTrainedConfig) -> int | None:
    return getattr(config.get_text_config(), "sliding_window", None)
