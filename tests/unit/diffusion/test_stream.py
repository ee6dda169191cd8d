"""Trajectories: what a person reads, token by token, and that the deltas rebuild the canvas."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from jobs.diffusion import canvas
from jobs.diffusion.samplers import Start, Step
from jobs.diffusion.stream import Trajectory
from jobs.diffusion.text import token_text, token_texts
from jobs.diffusion.unmask import unmask
from jobs.launch import source_root
from jobs.models.tokenizers import load_tokenizer
from jobs.protocol.trajectory import canvas_after, encode, read
from jobs.specs.diffusion_config import DiffusionConfig, GridShape
from jobs.specs.samplers import LLaDASampler

from .conftest import MASK


@pytest.fixture(scope="module")
def by_bytes() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer: id n is a byte, then <eos> and <mask>."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>", mask_token="<mask>")


def by_pieces() -> PreTrainedTokenizerFast:
    """A tokenizer of words that begin with the blank sign of sentencepiece."""
    inner = Tokenizer(models.WordLevel({"▁the": 0, "▁cat": 1, "s": 2, "<unk>": 3}, unk_token="<unk>"))
    inner.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=inner)


def fill(ids: torch.Tensor, answer: list[int], mask: int) -> list[Step]:
    """Steps that write `answer` from the left, one token each."""
    steps = []
    for index, position in enumerate((ids[0] == mask).nonzero().flatten().tolist()):
        revealed = torch.zeros_like(ids, dtype=torch.bool)
        revealed[0, position] = True
        ids = ids.clone()
        ids[0, position] = answer[index]
        steps.append(Step(ids, revealed, revealed * 0.5, index=index, nfe=index + 1))
    return steps


def trajectory(tokenizer, ids, **options) -> Trajectory:
    config = options.pop("config", DiffusionConfig(mask_token_id=tokenizer.mask_token_id))
    head = {"request": "r-1", "model": "m", "sampler": {}, "seed": 0, "prompt": "p", "prompt_length": 0}
    return Trajectory(tokenizer, config, ids, **{**head, **options})


def test_characters_split_over_tokens_read_right_at_the_end(by_bytes):
    text = "né 🦊!"
    tokens = by_bytes.encode(text)
    assert len(tokens) > len(text)
    ids = torch.full((1, len(tokens)), by_bytes.mask_token_id)
    story = trajectory(by_bytes, ids)
    story.start()
    lines = [story.step(step) for step in fill(ids, tokens, by_bytes.mask_token_id)]
    end = story.end()
    assert "".join(end["texts"]) == text == end["text"]
    assert len(end["texts"]) == len(tokens)
    assert lines[0]["deltas"] == [[0, tokens[0], "n", 0.5, "revealed", []]]
    assert "�" in "".join(line["deltas"][0][2] for line in lines), "half a character has no letter yet"


def test_broken_utf8_stays_visible_and_harms_nothing(by_bytes):
    fox = by_bytes.encode("🦊")
    texts = token_texts(by_bytes, [*fox[:2], *by_bytes.encode("ok")])
    assert len(texts) == 4 and texts[-2:] == ["o", "k"]


def test_leading_spaces_and_special_tokens_show(by_bytes):
    assert token_text(by_bytes, by_bytes.encode(" ")[0]) == " "
    assert token_text(by_bytes, by_bytes.eos_token_id) == "<eos>"
    assert token_text(by_bytes, 9999) == "<9999>"
    assert token_texts(by_pieces(), [0, 1, 2]) == [" the", " cat", "s"]


def test_a_text_from_nothing_ends_at_the_end_token_too(by_bytes):
    ids, _ = canvas.completion([[]], 5, by_bytes.mask_token_id, 0)
    story = trajectory(by_bytes, ids)
    story.start()
    wanted = [*by_bytes.encode("ab"), by_bytes.eos_token_id, *by_bytes.encode("cd")]
    for step in fill(ids, wanted, by_bytes.mask_token_id):
        story.step(step)
    assert story.end()["text"] == "ab"


def test_the_answer_ends_at_the_end_token(by_bytes):
    prompt, answer = by_bytes.encode("Q:"), by_bytes.encode("yes")
    ids, _ = canvas.completion([prompt], 6, by_bytes.mask_token_id, 0)
    story = trajectory(by_bytes, ids, prompt_length=len(prompt))
    start = story.start()
    assert start["given"] == [0, 1] and start["texts"] == ["Q", ":", "", "", "", "", "", ""]
    for step in fill(ids, [*answer, by_bytes.eos_token_id, *answer], by_bytes.mask_token_id):
        story.step(step)
    end = story.end()
    assert end["text"] == "yes" and end["texts"][5] == "<eos>" and end["reason"] == "finished"


def test_what_is_pinned_behind_an_end_token_belongs_to_the_answer(by_bytes):
    prompt, answer, mask = by_bytes.encode("Q:"), by_bytes.encode("yes"), by_bytes.mask_token_id
    ids = torch.tensor([[*prompt, mask, mask, *by_bytes.encode("!"), mask, mask]])
    story = trajectory(by_bytes, ids, prompt_length=2, completes=True, at_least=5)
    assert story.start()["completes"]
    eos = by_bytes.eos_token_id
    for step in fill(ids, [answer[0], eos, eos, answer[0]], mask):
        story.step(step)
    assert story.end()["text"] == "y!"


def test_a_cancelled_text_is_what_was_there(by_bytes):
    ids = torch.full((1, 3), by_bytes.mask_token_id)
    story = trajectory(by_bytes, ids)
    story.start()
    story.step(fill(ids, by_bytes.encode("abc"), by_bytes.mask_token_id)[0])
    end = story.end("cancelled")
    assert end["text"] == "a" and end["texts"] == ["a", "", ""] and end["nfe"] == 1


def test_a_grid_keeps_its_places(by_bytes):
    shape = GridShape(rows=2, columns=2, box_rows=1, box_columns=2)
    config = DiffusionConfig(mask_token_id=by_bytes.mask_token_id, task="grid", grid=shape)
    ids = canvas.grid("1 .\n0 4", by_bytes, by_bytes.mask_token_id)
    story = trajectory(by_bytes, ids, config=config)
    assert story.start()["grid"] == shape.model_dump()
    assert story.answer() == "1..4"


def test_infill_puts_masks_where_the_blanks_are(by_bytes):
    ids = canvas.infill("a____b _____", by_bytes, by_bytes.mask_token_id, blanks=3)
    m = by_bytes.mask_token_id
    a, b, blank = (by_bytes.encode(c)[0] for c in "ab ")
    assert ids.tolist() == [[a, m, m, m, b, blank, m, m, m]]


def test_the_space_before_a_gap_is_left_to_tokens_that_carry_it():
    words = load_tokenizer(Path(source_root(), "assets", "models", "stories"))
    mia, lantern = (words.encode(word, add_special_tokens=False)[0] for word in ("Mia", " lantern"))
    assert canvas.infill("Mia ____ lantern", words, 0, blanks=1).tolist() == [[mia, 0, lantern]]


@pytest.mark.parametrize("row", [0, 1])
def test_a_row_of_a_batch_rebuilds_to_the_samplers_canvas(row, make, by_bytes, tmp_path):
    """Padding on the left never shows; what is written is read back to the very ids."""
    prompts = [[1, 2, 3, 4], [5, 6]]
    ids, mask = canvas.completion(prompts, 8, MASK, 0)
    denoiser = make()
    options = LLaDASampler(steps=8, max_new_tokens=8, block_size=4)
    offset = 4 - len(prompts[row])
    story = trajectory(
        by_bytes,
        ids,
        config=denoiser.config,
        sampler=options.model_dump(),
        row=row,
        offset=offset,
        prompt_length=len(prompts[row]),
    )
    file = tmp_path / "r-1.jsonl"
    with file.open("w") as out:
        out.write(encode(story.start()))
        for step in unmask(denoiser, Start(ids, denoiser.config, mask, want_details=True), options):
            line = story.step(step)
            assert line is not None and line["entropy"] > 0
            assert all(len(delta[5]) == 5 for delta in line["deltas"])
            assert line["deltas"][0][5][0][1] == line["deltas"][0][3], "the first candidate was written"
            if line["masked"] == 0:
                assert line["deltas"][0][6] == line["entropy"], "the last one was all that was open"
            out.write(encode(line))
        out.write(encode(story.end()))
    lines = read(file)
    assert lines[0]["length"] == len(prompts[row]) + 8 and lines[0]["prompt_length"] == len(prompts[row])
    assert canvas_after(lines) == step.ids[row, offset:].tolist()
    assert [line["masked"] for line in lines[1:-1]] == [7, 6, 5, 4, 3, 2, 1, 0]


def test_a_row_that_nothing_happens_to_has_no_line(make, by_bytes):
    ids = torch.tensor([[1, MASK, MASK, MASK], [1, 2, 3, MASK]])
    options = LLaDASampler(steps=3, max_new_tokens=4, block_size=4)
    story = trajectory(by_bytes, ids, config=make().config, row=1)
    lines = [story.step(step) for step in unmask(make(), Start(ids, make().config), options)]
    assert lines[1:] == [None, None] and lines[0]["masked"] == 0
    assert story.end()["nfe"] == 3
