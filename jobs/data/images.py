"""From a picture's name in a row to what a vision model is given.

A picture is a file under the folder of its data file. In the text it is one image token, which is repeated
here as often as the model has places for it (Qwen2-VL, arXiv 2409.12191, section 2.1: one token for a square
of patches). Pixels are read when a batch is made, so a data set of pictures need not fit into memory.

Shapes: B rows, L positions, G pictures of the batch, P patches of all of them, D numbers in a patch.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import Tensor

from jobs.data import chat
from jobs.data.formats import fields, parts
from jobs.data.rows import Message, Picture
from jobs.protocol.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # plain rasters; PIL would run Ghostscript for others
MOST_BYTES = 64 * 2**20
MOST_PIXELS = 64 * 2**20  # a file of a few kilobytes can claim billions
TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height
ORIENTATION = 0x0112


def find(picture: Picture, folder: Path | None, place: str) -> Path:
    """The file of a picture, links followed. Raises: DataError if it is missing or outside `folder`."""
    if folder is None:
        raise DataError(
            f"{place}: the image {picture.name!r} has no folder; only rows of a file have images."
        )
    root = folder.resolve()
    try:
        file = (root / picture.name).resolve()
        found = file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        raise DataError(f"{place}: {picture.name!r} is no path of an image.") from None
    if not file.is_relative_to(root):
        raise DataError(f"{place}: the image {picture.name!r} is not under {root}; copy it there.")
    if not found:
        raise DataError(f"{place}: there is no image {picture.name!r} in {root}.")
    return file


def size(file: Path, place: str) -> tuple[int, int]:
    """(height, width) as the picture is meant to be seen, from the file's header.

    Raises: DataError for what is no picture, or too large.
    """
    with _opened(file, place) as image, _explained(file, place):
        turned = image.getexif().get(ORIENTATION) in TURNED
        return (image.width, image.height) if turned else (image.height, image.width)


def pixels(file: Path, place: str) -> Image.Image:
    """The picture, upright and in RGB. Raises: DataError."""
    with _opened(file, place) as image, _explained(file, place):
        return ImageOps.exif_transpose(image).convert("RGB")


@contextmanager
def _explained(file: Path, place: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SyntaxError) as error:  # what PIL raises for broken data
        raise DataError(f"{place}: the image {file.name!r} is broken: {error}.") from None


def _opened(file: Path, place: str) -> Image.Image:
    if file.stat().st_size > MOST_BYTES:
        raise DataError(f"{place}: the image {file.name!r} is larger than {MOST_BYTES >> 20} MiB; shrink it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused right below
            image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise DataError(f"{place}: {_too_many(file)}") from None
    except (OSError, ValueError, SyntaxError):
        raise DataError(
            f"{place}: {file.name!r} is no image that can be read ({', '.join(FORMATS)})."
        ) from None
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise DataError(f"{place}: {_too_many(file)}")
    return image


def _too_many(file: Path) -> str:
    return f"the image {file.name!r} has more than {MOST_PIXELS >> 20} million pixels; shrink it."


@dataclass(frozen=True)
class PictureReader:
    """A vision model's way of reading pictures."""

    processor: Any
    """transformers' PIL image processor of Qwen2-VL's kind."""
    image_token_id: int

    def tokens(self, file: Path, place: str) -> int:
        """How many tokens a picture takes. Raises: DataError."""
        height, width = size(file, place)
        try:
            patches = self.processor.get_number_of_image_patches(height, width, {})
        except ValueError as error:  # a picture 200 times as long as high
            raise DataError(f"{place}: the image {file.name!r} cannot be used: {error}.") from None
        return patches // self.processor.merge_size**2

    def expand(
        self, ids: list[int], pictures: Sequence[Picture], folder: Path | None, place: str
    ) -> tuple[list[int], tuple[Path, ...]]:
        """(ids with each image token repeated for its picture, the pictures' files).

        Raises: DataError where text and pictures do not fit together.
        """
        found = ids.count(self.image_token_id)
        if found != len(pictures):
            raise DataError(
                f"{place}: the text has {found} image tokens for {len(pictures)} images. The token must not "
                "be written in a text, and the model's chat template must have a place for images."
            )
        files = tuple(find(picture, folder, place) for picture in pictures)
        counts = iter([self.tokens(file, place) for file in files])
        longer: list[int] = []
        for token in ids:
            longer += [token] * (next(counts) if token == self.image_token_id else 1)
        return longer, files

    def inputs(self, ids: Tensor, files: Sequence[Path]) -> dict[str, Tensor]:
        """What the model is given beside `ids` [B, L]: pixel_values [P, D], image_grid_thw [G, 3], and
        mm_token_type_ids [B, L], 1 at image tokens, from which it counts its three-dimensional positions.

        `files` are the pictures of all rows, in the order of their tokens. Raises: DataError.
        """
        read = [pixels(file, str(file.parent)) for file in files]
        found = self.processor(images=read, return_tensors="pt")
        return {
            "pixel_values": found["pixel_values"],
            "image_grid_thw": found["image_grid_thw"],
            "mm_token_type_ids": (ids == self.image_token_id).to(torch.int32),
        }


def encode_messages_with_images(
    messages: list[dict], tokenizer: Any, reader: PictureReader, folder: Path, images: list[str] | None = None
) -> tuple[list[int], tuple[Path, ...]]:
    """(ids of a conversation up to where the answer begins, the files of its pictures), for sampling.

    `messages` have the form of jobs.data.formats.messages; `images` is the row field of that name, `folder`
    the only place where pictures are looked for. Put masks after the ids, then ask `reader.inputs`.
    Raises: DataError.
    """
    place = "the conversation"
    held = parts.Images({"images": images}, place)
    turns = []
    for number, message in enumerate(messages, 1):
        where = f"message {number}"
        content = message.get("content")
        told = parts.read(content, held, where) if isinstance(content, list | str) else ()
        words = "".join(part for part in told if isinstance(part, str))
        turns.append(Message(fields.string(message, "role", where), words, told))
    held.all_placed()
    text = chat.render([turn.turn() for turn in turns], tokenizer, add_generation_prompt=True, images=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pictures = [picture for turn in turns for picture in turn.pictures]
    return reader.expand(ids, pictures, folder, place)
