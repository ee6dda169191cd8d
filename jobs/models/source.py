"""Finding a model: a folder, or a Hub id that is in the local cache or can be downloaded."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

from transformers.utils import cached_file

from jobs.models.images import FILES as PROCESSOR_FILES
from jobs.models.weights import INDEX, SINGLE, shard_names
from jobs.protocol.errors import ModelError

CONFIG = "config.json"
ADAPTER, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
HUB_ID = re.compile(r"^[\w][\w.-]*/[\w][\w.-]*$")
CARRIED = (
    *("generation_config.json", "tokenizer.json", "tokenizer_config.json"),
    *("tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"),
    *("chat_template.jinja", *PROCESSOR_FILES),
)
"""What travels with the weights from format to format."""
OPTIONAL = ("diffusion_config.json", *CARRIED)


def locate(name: str | Path) -> Path:
    """The folder of a model given as a folder or as a Hub id (`owner/name`).

    Of a Hub model only JSON, tokenizer and safetensors files are fetched, never code. HF_HUB_OFFLINE=1 keeps
    to the local cache.
    Raises: ModelError.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ModelError(f"{folder} is a file, not a model folder.")
    if HUB_ID.match(str(name)):
        return _fetch(str(name))
    raise ModelError(f"{name}: there is no such folder. Give a model folder or a Hub id such as owner/name.")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model folder. Raises: ModelError."""
    file = folder / CONFIG
    if not file.is_file():
        raise ModelError(f"{folder} is not a model folder: it has no {CONFIG}.")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(f"{file} cannot be read: {error}. Copy the model again.") from None
    if not isinstance(data, dict):
        raise ModelError(f"{file} is not a model's config: it holds no keys. Copy the model again.")
    return data


def _fetch(name: str) -> Path:
    try:
        config = cached_file(name, CONFIG)
    except OSError as error:
        adapter = _fetch_adapter(name)
        if adapter is not None:
            return adapter
        raise ModelError(
            f"{name} is no local folder, and it cannot be got from the Hugging Face Hub: "
            f"{str(error).strip().splitlines()[0]} Download it where there is a network and give the folder."
        ) from None
    folder = Path(str(config)).parent
    _fetch_if_there(name, [*OPTIONAL, INDEX])
    _fetch_if_there(name, shard_names(folder / INDEX) if (folder / INDEX).is_file() else [SINGLE])
    return folder


def _fetch_adapter(name: str) -> Path | None:
    """The folder of a Hub repository that holds a LoRA adapter and no model; None where it holds none."""
    _fetch_if_there(name, [ADAPTER, ADAPTER_WEIGHTS, *CARRIED])
    with contextlib.suppress(OSError):
        return Path(str(cached_file(name, ADAPTER))).parent
    return None


def _fetch_if_there(name: str, files: list[str]) -> None:
    """Files that a model may lack. If a needed one could not be got, reading the folder says so."""
    for file in files:
        with contextlib.suppress(OSError):
            cached_file(name, file)
