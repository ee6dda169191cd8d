"""Model folders without torch: a config and a safetensors file with a real header and zeros."""

import json
import struct
from pathlib import Path
from typing import Any


def write_weights(path: Path, tensors: dict[str, tuple[str, list[int]]]) -> None:
    """A safetensors file; `tensors` maps a name to (dtype, shape)."""
    width = {"F32": 4, "BF16": 2, "F16": 2}
    header, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = width[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))


def make_model(folder: Path, dllm: bool = True, **diffusion: Any) -> Path:
    """A folder as a checkpoint of ours looks: 2x3 + 4 values in float32."""
    folder.mkdir(parents=True)
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    write_weights(folder / "model.safetensors", {"a": ("F32", [2, 3]), "b": ("F32", [4])})
    if dllm:
        (folder / "diffusion_config.json").write_text(json.dumps({"mask_token_id": 7, **diffusion}))
    return folder
