"""A GGUF file (llama.cpp's format) as the source of a conversion: checked, then dequantised."""

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from jobs.models.checkpoint import check_loading
from jobs.protocol.errors import ModelError

try:
    import gguf
except ImportError:  # a machine for training only needs no GGUF; reading one says what is missing
    gguf = None

MAGIC = b"GGUF"
READ_ERRORS = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError, OverflowError, MemoryError),
    *(AttributeError, ImportError, NotImplementedError),
)


def is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def check(path: Path) -> None:
    """Read the whole header and every tensor's place. Raises: ModelError for a missing or broken file."""
    if gguf is None:
        raise ModelError("reading a GGUF file needs the package gguf: pip install gguf.")
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file.")
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise ModelError(f"{path} is not a GGUF file: it does not begin with GGUF. Copy it again.")
    try:
        tensors = gguf.GGUFReader(path).tensors
    except READ_ERRORS as error:
        raise ModelError(f"{path} is a broken GGUF file ({error}). Copy it again.") from None
    if not tensors:
        raise ModelError(f"{path} is a GGUF file without tensors.")


def read_config(path: Path) -> PreTrainedConfig:
    """The transformers config of a GGUF file. Raises: ModelError."""
    try:
        return AutoConfig.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    except READ_ERRORS as error:
        raise ModelError(f"{path} cannot be read by transformers: {error}") from None


def read_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer inside a GGUF file. Raises: ModelError."""
    try:
        return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises plain Exception
        raise ModelError(f"the tokenizer in {path} cannot be read: {error}") from None


def read_model(path: Path, config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """The weights as plain tensors. Without `dequantize` the model could not be saved again.

    Raises: ModelError.
    """
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            path.parent,
            gguf_file=path.name,
            config=config,
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
            output_loading_info=True,
        )
    except READ_ERRORS as error:
        raise ModelError(f"the weights in {path} cannot be read: {error}") from None
    check_loading(info, path)
    return model
