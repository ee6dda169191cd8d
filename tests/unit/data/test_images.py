"""Pictures in conversations: found only beside their data file, measured before they are read, one token each
stretched to as many as the model has places."""

import json
import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from jobs.data import chat
from jobs.data.collate import Collator, to_device
from jobs.data.encode import encode
from jobs.data.images import (
    MOST_PIXELS,
    ORIENTATION,
    PictureReader,
    encode_messages_with_images,
    pixels,
    size,
)
from jobs.data.load import load_rows
from jobs.data.rows import Picture
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec

LETTERS = "abcdefghijklmnopqrstuvwxyz.:UAS \n"
VISION = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]


@pytest.fixture(scope="module")
def tokenizer():
    made = character_tokenizer(LETTERS)
    made.add_tokens(VISION, special_tokens=True)
    return made


@pytest.fixture(scope="module")
def reader(tokenizer) -> PictureReader:
    sizes = {"shortest_edge": 64, "longest_edge": 4096}
    processor = Qwen2VLImageProcessorPil(patch_size=4, merge_size=2, size=sizes)
    return PictureReader(processor, tokenizer.convert_tokens_to_ids("<|image_pad|>"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """data/ with a red picture of 24 x 16 (2 x 3 tokens) and a green one of 16 x 16 (2 x 2)."""
    made = tmp_path / "data"
    (made / "sub").mkdir(parents=True)
    Image.new("RGB", (24, 16), (255, 0, 0)).save(made / "red.png")
    Image.new("RGB", (16, 16), (0, 255, 0)).save(made / "sub" / "green.jpg")
    return made


def write(folder: Path, *rows: dict) -> DataSpec:
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataSpec(path=str(folder / "d.jsonl"), max_length=64)


def row(content, answer="a red one", **more) -> dict:
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
    return {"messages": turns, **more}


def part(name: str | None = None) -> dict:
    return {"type": "image"} if name is None else {"type": "image", "image": name}


def words(text: str) -> dict:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (row([part("red.png"), words("see")]), ("red.png", "see")),
        (row([words("see"), part()], images=["red.png"]), ("see", "red.png")),
        (row("is <image> or <image>", images=["red.png", "x.png"]), ("is ", "red.png", " or ", "x.png")),
        (row([words("<image>see")], images=["red.png"]), ("red.png", "see")),
    ],
)
def test_the_ways_to_write_a_picture(given, parts, folder):
    (read,) = load_rows(write(folder, given)).rows
    found = [p.name if isinstance(p, Picture) else p for p in read.messages[0].parts]
    assert found == list(parts) and read.folder == folder.resolve()
    assert read.messages[0].content == "".join(p for p in parts if not p.endswith("png"))


def test_without_images_the_mark_is_a_word(folder):
    (read,) = load_rows(write(folder, row("write <image>"))).rows
    assert read.messages[0].content == "write <image>" and not read.pictures


@pytest.mark.parametrize(
    ("given", "words_of_it"),
    [
        (row([part()]), r"line 1, message 1, part 1: an image without a path; the row's 'images' names 0"),
        (
            row("see", images=["red.png"]),
            r"line 1: 'images' names 1 images, but the messages have places for 0",
        ),
        (row("see", images="red.png"), r"line 1: the field 'images' must be a list of paths"),
        (row([{"type": "video"}]), r"line 1, message 1, part 1: a part is"),
        (
            row([part("red.png")], answer=[part("red.png")]),
            r"line 1, message 2: only a user's message can hold images",
        ),
    ],
)
def test_a_wrong_row_is_explained(given, words_of_it, folder):
    with pytest.raises(DataError, match=r"d\.jsonl, " + words_of_it):
        load_rows(write(folder, given))


def test_a_picture_becomes_its_tokens_and_its_pixels(folder, tokenizer, reader):
    data = write(
        folder,
        row([part("red.png"), words("what")]),
        row([words("and "), part("sub/green.jpg")], answer="green"),
        row("no picture", answer="none"),
    )
    sequences = encode(load_rows(data).rows, tokenizer, data, reader=reader).sequences
    token = reader.image_token_id
    assert [s.input_ids[: s.prompt_length].count(token) for s in sequences] == [6, 4, 0]
    start, end = tokenizer.convert_tokens_to_ids(VISION[:2])
    at = sequences[0].input_ids.index(token)
    assert sequences[0].input_ids[at - 1] == start and sequences[0].input_ids[at + 6] == end
    batch = Collator(tokenizer.eos_token_id, "answer", reader=reader)(sequences)
    extra = batch["extra"]
    assert extra["image_grid_thw"].tolist() == [[1, 4, 6], [1, 4, 4]]
    assert extra["pixel_values"].shape == (24 + 16, 3 * 2 * 4 * 4)
    image_tokens = batch["input_ids"] == token
    assert torch.equal(extra["mm_token_type_ids"].bool(), image_tokens) and image_tokens.sum() == 10
    assert not (batch["maskable"] & image_tokens).any() and batch["maskable"].any(1).all()
    moved = to_device(batch, torch.device("meta"))
    assert moved["input_ids"].is_meta and moved["extra"]["pixel_values"].is_meta
    assert "extra" not in Collator(tokenizer.eos_token_id, "answer", reader=reader)(sequences[2:])


def test_a_model_of_text_refuses_pictures(folder, tokenizer):
    data = write(folder, row([part("red.png")]))
    with pytest.raises(DataError, match=r"line 1: this row has images, but the model reads text only"):
        encode(load_rows(data).rows, tokenizer, data)


def test_images_are_never_lost_on_the_way_to_a_prompt(tokenizer):
    """Whoever renders a conversation without reading its pictures is told."""
    asked = [{"role": "user", "content": [part("red.png"), words("what")]}]
    with pytest.raises(DataError, match="This conversation has images, which are not read here"):
        chat.render(asked, tokenizer, add_generation_prompt=True)
    said = [{"role": "user", "content": [words("what")]}]
    assert chat.render(said, tokenizer) == "User: what\n"


@pytest.mark.parametrize("given", [row("x <|image_pad|>"), row("x", answer="<|image_pad|>")])
def test_the_image_token_must_not_be_written(given, folder, tokenizer, reader):
    data = write(folder, given)
    with pytest.raises(DataError, match=r"d\.jsonl, line 1: .*image token"):
        encode(load_rows(data).rows, tokenizer, data, reader=reader)


def bomb(path: Path, side: int) -> None:
    """A PNG of a few bytes that claims side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "words_of_it"),
    [
        ("../out.png", "is not under"),
        ("link.png", "is not under"),
        ("/etc/hostname", "is not under"),
        ("gone.png", "there is no image 'gone.png'"),
        ("sub", "there is no image 'sub'"),
        ("nul\0.png", "is no path"),
        ("text.png", "is no image that can be read"),
        ("page.eps", "is no image that can be read"),
        ("bomb.png", "million pixels"),
        ("vast.png", "million pixels"),
        ("strip.png", "cannot be used"),
    ],
)
def test_a_dangerous_or_wrong_file_is_refused(name, words_of_it, folder, tmp_path, tokenizer, reader):
    Image.new("RGB", (8, 8)).save(tmp_path / "out.png")
    (folder / "link.png").symlink_to(tmp_path / "out.png")
    (folder / "text.png").write_text("not a picture")
    (folder / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    bomb(folder / "bomb.png", int(MOST_PIXELS**0.5) + 1)
    bomb(folder / "vast.png", 60_000)
    Image.new("1", (1, 300)).save(folder / "strip.png")
    data = write(folder, row([part(name)]))
    with pytest.raises(DataError, match=rf"d\.jsonl, line 1: .*{words_of_it}"):
        encode(load_rows(data).rows, tokenizer, data, reader=reader)


def test_a_picture_cut_short_is_named_when_it_is_read(folder):
    Image.effect_noise((64, 64), 90).save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"here: the image 'half\.jpg' is broken"):
        pixels(folder / "half.jpg", "here")


def test_a_turned_photo_is_seen_upright(folder):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (30, 20)).save(folder / "photo.jpg", exif=exif)
    assert size(folder / "photo.jpg", "") == (30, 20)
    assert pixels(folder / "photo.jpg", "").size == (20, 30)


def test_a_conversation_to_answer(folder, tokenizer, reader):
    """The ids are those of a training prompt; the inputs go with any canvas that begins with them."""
    messages = row([part("red.png"), words("what")])["messages"]
    data = write(folder, row([part("red.png"), words("what")]))
    (trained,) = encode(load_rows(data).rows, tokenizer, data, reader=reader).sequences
    ids, files = encode_messages_with_images(messages[:1], tokenizer, reader, folder)
    assert ids == trained.input_ids[: trained.prompt_length] and files == trained.pictures
    canvas = torch.tensor([[*ids, *[tokenizer.mask_token_id] * 3]])
    inputs = reader.inputs(canvas, files)
    assert inputs["mm_token_type_ids"].shape == canvas.shape and inputs["mm_token_type_ids"].sum() == 6
    outside = row([part("../red.png")])["messages"]
    with pytest.raises(DataError, match=r"the conversation: the image '\.\./red\.png' is not under"):
        encode_messages_with_images(outside[:1], tokenizer, reader, folder / "sub")
