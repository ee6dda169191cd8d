"""From a causal language model to a diffusion language model: mask off, mask token, DiffusionConfig."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from jobs.models import checkpoint, gguf_source
from jobs.models.bidirectional import (
    WINDOW_CHOICES,
    causal_layers,
    has_windows,
    later_token_matters,
    make_bidirectional,
    open_windows,
    switch_off_causality,
)
from jobs.models.rewrite import open_dllm, rewrite
from jobs.models.source import CONFIG, locate, read_config
from jobs.models.tokenizers import give_mask_token, load_tokenizer
from jobs.models.weights import fingerprints, weight_files
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

    The result is read back and checked before it gets its name: same tensors, and a later token matters to an
    earlier position.
    A source that is a dLLM already goes into another format instead, see jobs.models.rewrite.
    Raises: ModelError, SpecError; each names what to change.
    """
    dllm = open_dllm(spec)
    if dllm is not None:
        return rewrite(dllm, spec, target, report)
    if spec.target == "official" or spec.layout is not None:
        raise SpecError(f"{spec.source} is no dLLM yet: convert it first with target: studio and no layout.")
    # 1. Everything that can be said before the weights are read.
    report("reading the source", 0.0)
    source = open_source(spec)
    windows = has_windows(source.config)
    if windows and spec.sliding_window is None:
        raise SpecError(
            f"{source.path} has layers that see only a window of {_window_length(source.config)} tokens; "
            f"choose {WINDOW_CHOICES}."
        )
    if windows and spec.sliding_window == "full":
        open_windows(source.config)
    mask_id, added = give_mask_token(source.tokenizer, spec.mask_token)
    diffusion = DiffusionConfig(
        mask_token_id=mask_id,
        shifted_logits=spec.shifted_logits,
        sliding_window=spec.sliding_window if windows else None,
        source=spec.source,
    )
    # 2. Weights, mask off, a row for the mask token.
    report("reading the weights", 0.1)
    model = _read_model(spec, source)
    make_bidirectional(model)
    if added or mask_id >= model.get_input_embeddings().weight.shape[0]:
        give_row(model, mask_id, len(source.tokenizer))
    # 3. Write aside, read back, check, rename.
    aside = checkpoint.begin_folder(target)
    try:
        report("writing", 0.5)
        written = fingerprints(model.state_dict())
        model.save_pretrained(aside)
        source.tokenizer.save_pretrained(aside)
        del model  # the check reads it again: never two of them in memory
        report("checking", 0.8)
        check_written(aside, written, source.tokenizer, mask_id)
        diffusion.save(aside)
        checkpoint.finish_folder(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    report("done", 1.0)
    return diffusion


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


@torch.no_grad()
def give_row(model: PreTrainedModel, token: int, vocabulary: int) -> None:
    """Make sure `token` has a row in the embedding and the vocabulary matrix, and set it to the mean row.

    A mean row is near nothing in particular and has the right scale. Tied matrices stay tied.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    if token >= rows:
        model.resize_token_embeddings(max(vocabulary, token + 1), mean_resizing=False)
    matrices = [model.get_input_embeddings().weight]
    output = model.get_output_embeddings()
    if output is not None and output.weight is not matrices[0]:
        matrices.append(output.weight)
    for matrix in matrices:
        mean = matrix[:rows].float().mean(0).to(matrix.dtype)
        matrix[rows:] = mean
        matrix[token] = mean


def _read_model(spec: ConvertSpec, source: Source) -> PreTrainedModel:
    switch_off_causality(source.config)
    if gguf_source.is_gguf(source.path):
        dtype = torch.float32 if spec.dtype == "auto" else getattr(torch, spec.dtype)
        return gguf_source.read_model(source.path, source.config, dtype)
    dtype = "auto" if spec.dtype == "auto" else getattr(torch, spec.dtype)
    return checkpoint.load_stock(source.path, source.config, dtype)


def check_written(aside: Path, written: dict[str, str], before: Tokenizer, mask_id: int) -> None:
    """Read the new folder with plain transformers and compare it with what was meant.

    `written` holds the fingerprints of the tensors. Raises: ModelError.
    """
    model = AutoModelForCausalLM.from_pretrained(aside, dtype="auto", local_files_only=True).eval()
    read = fingerprints(model.state_dict())
    changed = sorted(name for name in written.keys() | read.keys() if written.get(name) != read.get(name))
    if changed:
        raise ModelError(
            f"the written model differs from the converted one in {changed[0]}; nothing was kept."
        )
    rows = model.get_input_embeddings().weight.shape[0]
    tokenizer = load_tokenizer(aside)
    probe = before.decode(range(0, len(tokenizer), -(-len(tokenizer) // 64)))
    if tokenizer.encode(probe) != before.encode(probe):
        raise ModelError("the tokenizer splits text otherwise after it was written; nothing was kept.")
    if mask_id >= rows or tokenizer.mask_token_id != mask_id:
        raise ModelError(
            f"the mask token did not survive writing (id {mask_id} of {rows}); nothing was kept."
        )
    try:
        both_ways = later_token_matters(model, rows)
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - anything may happen in an architecture that was never tried
        raise ModelError(f"{model.config.model_type} cannot run with its causal mask off: {error}") from None
    if not both_ways:
        raise ModelError(
            f"{model.config.model_type} stays causal in transformers even with is_causal off, so it cannot "
            "become a diffusion model here. Choose another source."
        )


def _window_length(config: PreTrainedConfig) -> int | None:
    return getattr(config.get_text_config(), "sliding_window", None)
