"""How a vision model's folder turns pictures into numbers: transformers' PIL processor and its settings."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from jobs.protocol.errors import ModelError

SETTINGS = "preprocessor_config.json"
FILES = (SETTINGS, "video_preprocessor_config.json", "processor_config.json", "chat_template.json")
"""Files of a processor; they travel with the weights as they are."""
KNOWN = ("Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast", "Qwen2VLImageProcessorPil")


@dataclass(frozen=True)
class ImageProcessor:
    """The processor of a folder. The class on PIL and numpy is used, which needs no torchvision."""

    processor: Qwen2VLImageProcessorPil
    files: dict[str, str]
    """FILES as they were read: name -> text."""

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "ImageProcessor":
        """From the contents of preprocessor_config.json."""
        keys = {k: v for k, v in settings.items() if k not in ("image_processor_type", "processor_class")}
        text = json.dumps(settings, indent=2) + "\n"
        return cls(Qwen2VLImageProcessorPil(**keys), {SETTINGS: text})

    def save(self, folder: Path) -> None:
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")


def load_images(folder: Path) -> ImageProcessor | None:
    """The image processor of a model folder; None where it has none. Raises: ModelError."""
    if not (folder / SETTINGS).is_file():
        return None
    files = {name: (folder / name).read_text("utf-8") for name in FILES if (folder / name).is_file()}
    try:
        settings = json.loads(files[SETTINGS])
        kind = settings.get("image_processor_type", KNOWN[0])
    except (ValueError, AttributeError):
        raise ModelError(f"{folder / SETTINGS} is broken. Copy the model again.") from None
    if kind not in KNOWN:
        raise ModelError(f"{folder / SETTINGS}: {kind} cannot be used; known: {', '.join(KNOWN)}.")
    return ImageProcessor(ImageProcessor.from_settings(settings).processor, files)
