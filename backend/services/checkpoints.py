"""What a model folder says of itself: config.json and safetensors headers, read without torch."""

import json
import struct
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from jobs.protocol.errors import ModelError, StudioError
from jobs.specs import diffusion_config, families
from jobs.specs.diffusion_config import DiffusionConfig, Noise
from jobs.specs.samplers import presets
from jobs.specs.samplers.fits import CAUSAL, fitting

HEADER_LIMIT = 100_000_000  # bytes; the limit of the safetensors format itself
ADAPTER = "adapter_config.json"
CAUSAL_CLASSES = ("ForCausalLM", "LMHeadModel")
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8",
    "F8_E5M2": "float8",
    "I8": "int8",
    "U8": "uint8",
}


class ModelView(BaseModel):
    """What a person should know of a model before using it."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str
    source: str  # bundled | home | run | path
    family: str = ""
    architecture: str = ""
    parameters: int | None = None
    dtype: str = ""
    mask_token_id: int | None = None
    task: str = "text"
    grid: dict[str, int] | None = None
    sampler: dict[str, Any] = {}
    """What to sample it with: its own recommended settings, or its family's."""
    sampler_why: str = ""
    samplers: list[str] = []
    """The samplers that fit it, the one to begin with first."""
    shifted: bool = False
    block_size: int | None = None
    noise: Noise = "mask"
    objective: str = ""
    schedule: str = "linear"
    size_bytes: int = 0
    note: str = ""
    is_dllm: bool = False
    is_causal: bool = False
    """Whether it writes from left to right, as it was trained to."""
    is_adapter: bool = False
    chat: bool = False
    sees_images: bool = False
    problem: str = ""
    modified: float = 0.0


def is_model_folder(folder: Path) -> bool:
    """Whether a folder means to be a model or an adapter: it holds a config or weights."""
    configs = ("config.json", ADAPTER)
    return any((folder / name).is_file() for name in configs) or any(folder.glob("*.safetensors"))


def signature(folder: Path) -> tuple:
    """Changes whenever a file that `inspect` reads was replaced."""
    return tuple(
        (file.name, (stat := file.stat()).st_mtime_ns, stat.st_size)
        for file in sorted(folder.iterdir())
        if file.suffix in (".json", ".safetensors", ".jinja") and file.is_file()
    )


def inspect(folder: Path, name: str, source: str) -> ModelView:
    """The view of a folder; what is wrong with it stands in `problem`."""
    try:
        return ModelView(name=name, path=str(folder), source=source, **_facts(folder))
    except (StudioError, OSError) as error:
        return ModelView(name=name, path=str(folder), source=source, problem=str(error))


def _facts(folder: Path) -> dict[str, Any]:
    if (folder / ADAPTER).is_file():
        return _adapter_facts(folder)
    config = _json(folder / "config.json")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"{folder} holds no weights: there is no .safetensors file in it.")
    counts: Counter[str] = Counter()
    names: set[str] = set()
    for file in weights:
        held, count = _tensors(file)
        counts.update(count)
        names |= held
    kind = str(config.get("model_type", ""))
    architectures = config.get("architectures") or [kind]
    official = families.detect(config, names)
    facts: dict[str, Any] = {
        "family": official or kind,
        "architecture": str(architectures[0]),
        "parameters": sum(counts.values()),
        "dtype": DTYPES.get(top := counts.most_common(1)[0][0], top.lower()) if counts else "",
        "size_bytes": sum(file.stat().st_size for file in weights),
        "chat": _has_chat_template(folder),
        "modified": max(file.stat().st_mtime for file in weights),
    }
    if (folder / diffusion_config.FILE).is_file():
        facts |= _diffusion_facts(_diffusion_config(folder))
    elif official:
        facts |= _official_facts(families.FAMILIES[official], config)
    elif facts["architecture"].endswith(CAUSAL_CLASSES):
        facts |= _causal_facts()
    known = families.FAMILIES.get(facts["family"])
    return facts | {"sees_images": known is not None and known.sees_images}


def _adapter_facts(folder: Path) -> dict[str, Any]:
    """A LoRA adapter: no model yet, but one with its base."""
    config = _json(folder / ADAPTER)
    weights = sorted(folder.glob("*.safetensors"))
    return {
        "architecture": f"{config.get('peft_type') or 'unknown'} adapter",
        "is_adapter": True,
        "parameters": sum(sum(_tensors(file)[1].values()) for file in weights),
        "size_bytes": sum(file.stat().st_size for file in weights),
        "note": f"An adapter on {config.get('base_model_name_or_path') or 'a model that it does not name'}.",
        "modified": (folder / ADAPTER).stat().st_mtime,
    }


def _diffusion_config(folder: Path) -> DiffusionConfig:
    try:
        return DiffusionConfig.load(folder)
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{folder / diffusion_config.FILE} is not valid JSON: {error}.") from None


def _official_facts(family: families.FamilyInfo, config: dict[str, Any]) -> dict[str, Any]:
    objective, block_size = family.training(config)
    return {
        "is_dllm": True,
        "mask_token_id": _integer(config.get("mask_token_id")),
        "shifted": family.shifted,
        "objective": objective,
        "block_size": block_size,
        "noise": family.noise,
        **_sampling_facts(
            DiffusionConfig(
                mask_token_id=_integer(config.get("mask_token_id")) or 0,
                family=family.name,
                objective=objective,
                block_size=block_size,
                shifted_logits=family.shifted,
                noise=family.noise,
            )
        ),
    }


def _causal_facts() -> dict[str, Any]:
    config = DiffusionConfig(mask_token_id=0, shifted_logits=True, objective=CAUSAL)
    return {"is_causal": True, "objective": CAUSAL, **_sampling_facts(config)}


def _diffusion_facts(config: DiffusionConfig) -> dict[str, Any]:
    return {
        "is_dllm": True,
        "family": config.family,
        "mask_token_id": config.mask_token_id,
        "task": config.task,
        "grid": config.grid.model_dump() if config.grid else None,
        "shifted": config.shifted_logits,
        "block_size": config.block_size,
        "noise": config.noise,
        "objective": config.objective,
        "schedule": config.schedule,
        "note": config.note,
        **_sampling_facts(config),
    }


def _sampling_facts(config: DiffusionConfig) -> dict[str, Any]:
    found = presets.preset(config)
    return {"sampler": found.settings, "sampler_why": found.why, "samplers": fitting(config)}


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path.parent} is not a model folder: it has no {path.name}.") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(data, dict):
        raise ModelError(f"{path} is not a JSON object.")
    return data


def _tensors(path: Path) -> tuple[set[str], Counter[str]]:
    """The tensors' names, and the number of stored values by safetensors dtype.

    The format: 8 bytes little-endian header length, the header as JSON, then the values
    (huggingface/safetensors, README, section Format).

    Raises: ModelError where the file is cut off or not safetensors.
    """
    with open(path, "rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_LIMIT + 1
        if length > HEADER_LIMIT:
            raise ModelError(f"{path} is not a safetensors file.")
        header_bytes = file.read(length)
    try:
        header = json.loads(header_bytes)
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        counts: Counter[str] = Counter()
        for entry in tensors.values():
            counts[entry["dtype"]] += prod(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise ModelError(f"{path} is not a safetensors file, or its header is cut off.") from None
    if path.stat().st_size < 8 + length + end:
        raise ModelError(f"{path} is cut off: {path.stat().st_size} of {8 + length + end} bytes are there.")
    return set(tensors), counts


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    settings = folder / "tokenizer_config.json"
    return settings.is_file() and bool(_json(settings).get("chat_template"))


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) else None
