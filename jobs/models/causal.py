"""Causal models for the `ar-sft` baseline: a transformers folder comes in, a transformers folder goes out."""

import shutil
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from jobs.models import checkpoint
from jobs.models.bidirectional import configs_of
from jobs.models.checkpoint import Checkpoint
from jobs.models.classes import NATIVE, OURS, VISION
from jobs.models.convert import check_causal
from jobs.models.source import locate, read_config
from jobs.models.tokenizers import load_tokenizer
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import FILE, DiffusionConfig

NAME = "ar-sft"


def load(path: str | Path, dtype: checkpoint.Dtype, weights: bool = True) -> Checkpoint:
    """A causal language model: a transformers folder as it is, or a dLLM with its causal mask put back.
    `weights` as in checkpoint.load.

    Raises: ModelError for a folder that holds neither.
    """
    folder = locate(path)
    if (folder / FILE).is_file() or checkpoint.official_family(folder, str(path)) is not None:
        return as_causal(checkpoint.load(path, dtype=dtype, weights=weights))
    check_causal(read_config(folder), folder)
    tokenizer = load_tokenizer(folder)
    wanted = dtype if dtype == "auto" else getattr(torch, dtype)
    model = checkpoint.load_stock(folder, checkpoint.stock_config(folder), wanted, weights)
    return as_causal(Checkpoint(model.eval(), tokenizer, settings(tokenizer), folder))


def is_causal_folder(folder: Path) -> bool:
    """Whether a model folder is no dLLM of any format, so that at best it holds a causal model."""
    return not (folder / FILE).is_file() and checkpoint.official_family(folder, str(folder)) is None


def load_writer(folder: Path, dtype: checkpoint.Dtype, device: str) -> Checkpoint:
    """Whoever can write, in eval mode: a dLLM of any format, else a causal model. Raises: ModelError."""
    read = to_write if is_causal_folder(folder) else checkpoint.load
    return read(folder, dtype=dtype, device=device)


def to_write(path: str | Path, dtype: checkpoint.Dtype, device: str) -> Checkpoint:
    """A causal model to write with, in eval mode. Its mask token stands for what is not written yet and is
    never shown to the model: an unused row of its vocabulary, or one more.

    Raises: ModelError.
    """
    loaded = load(path, dtype)
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    if loaded.tokenizer is not None and len(loaded.tokenizer) >= rows:
        loaded.model.resize_token_embeddings(rows + 1, mean_resizing=False)
        rows += 1
    config = loaded.config.model_copy(update={"mask_token_id": rows - 1})
    return Checkpoint(loaded.model.to(device).eval(), loaded.tokenizer, config, loaded.path)


def as_causal(loaded: Checkpoint) -> Checkpoint:
    """The same checkpoint with a causal mask, whose output at position i - 1 predicts token i.

    Raises: ModelError for classes that never were causal.
    """
    config = loaded.model.config
    if config.model_type in {*OURS, *VISION, *NATIVE}:
        raise ModelError(f"{NAME} needs a decoder of text; {config.model_type} was never one.")
    make_causal(loaded.model)
    traits = {"shifted_logits": True, "objective": NAME, "block_size": None}
    return Checkpoint(
        loaded.model, loaded.tokenizer, loaded.config.model_copy(update=traits), loaded.path, loaded.images
    )


def settings(tokenizer: Tokenizer) -> DiffusionConfig:
    """What the programs want to know of a model; a causal one masks nothing, so any token will do as mask."""
    named = (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id, 0)
    return DiffusionConfig(mask_token_id=next(i for i in named if i is not None), shifted_logits=True)


def make_causal(model: nn.Module) -> None:
    """Undo jobs.models.bidirectional.make_bidirectional, in a decoder of text."""
    for module in model.modules():
        config = getattr(module, "config", None)
        for part in configs_of(config) if config is not None else ():
            part.is_causal = True
        if getattr(module, "is_causal", None) is False:
            module.is_causal = True


def save(model: PreTrainedModel, tokenizer: Tokenizer | None, folder: Path) -> None:
    """Write a transformers folder, without diffusion_config.json; aside, then one rename."""
    aside = checkpoint.begin_folder(folder, ours=True)
    try:
        model.save_pretrained(aside)
        if tokenizer is not None:
            tokenizer.save_pretrained(aside)
        checkpoint.finish_folder(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
