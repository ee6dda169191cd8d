"""Tokens that must stand where they are told to: spelling, places, and what is refused."""

import pytest
import tokenizers
from transformers import PreTrainedTokenizerFast

from jobs.programs.asks import Ask
from jobs.programs.branching import Branch, branch_canvas
from jobs.programs.generation import make_canvas
from jobs.programs.pins import token_ids, word_ids
from jobs.protocol import trajectory
from jobs.protocol.errors import DataError, JobError, SpecError
from jobs.specs.samplers import LLaDASampler

PIECES = {
    "bpe": ("Ġ", tokenizers.decoders.ByteLevel, tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "metaspace": ("▁", tokenizers.decoders.Metaspace, tokenizers.pre_tokenizers.Metaspace()),
}


@pytest.fixture(params=PIECES)
def worded(request, text_model):
    """The text model with a tokenizer that knows `upon` with and without a space before it."""
    space, decoder, pieces = PIECES[request.param]
    words = ["[MASK]", "[END]", "[UNK]", "up", "on", f"{space}upon", "upon", f"{space}a", f"{space}time", "!"]
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, "[UNK]")
    plain = tokenizers.Tokenizer(model)
    plain.pre_tokenizer, plain.decoder = pieces, decoder()
    text_model.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, mask_token="[MASK]", eos_token="[END]", unk_token="[UNK]"
    )
    text_model.config = text_model.config.model_copy(update={"mask_token_id": 0})
    return text_model


def test_a_word_gets_the_space_that_parts_it(worded):
    assert word_ids("upon", worded, parted=True) == [5]
    assert word_ids(6, worded, parted=True) == [6]


def test_a_word_gets_no_space_that_the_tokenizer_has_not(text_model, grid_model):
    assert len(word_ids("up", text_model, parted=True)) == 2
    assert word_ids("2", grid_model, parted=True) == [1]


@pytest.mark.parametrize("token", [" upon", "upon", 5, "[END]"])
def test_a_token_reads_exactly_as_it_is_shown(worded, token):
    expected = {" upon": [5], "upon": [6], 5: [5], "[END]": [1]}
    assert token_ids(token, worded) == expected[token]


def test_what_the_model_has_not_is_refused(worded):
    with pytest.raises(SpecError, match="'wolf' is no text of this model"):
        word_ids("wolf", worded, parted=True)
    with pytest.raises(SpecError, match="no token 99"):
        token_ids(99, worded)


def canvas(model, **forced):
    sampler = LLaDASampler(steps=8, max_new_tokens=8, block_size=8)
    return make_canvas(Ask("prompt", "ab", **forced), model, sampler)


def test_constraints_prefix_and_suffix_stand_on_the_canvas(text_model):
    found = canvas(text_model, constraints={3: "xy", 5: 2}, prefix="ha", suffix="z")
    mask = text_model.config.mask_token_id
    text = "".join("." if i == mask else text_model.tokenizer.decode([i]) for i in found.ids)
    assert text == "abha.xyc.z"
    assert len(found.ids) == 10 and (found.prompt_length, found.at_least) == (2, 10)


@pytest.mark.parametrize(
    ("forced", "says"),
    [
        ({"constraints": {8: "a"}}, "8:a lies outside the canvas: positions go from 0 to 7"),
        ({"constraints": {7: "ab"}}, "7:ab lies outside the canvas and takes 2 tokens"),
        ({"constraints": {-1: "a"}}, "lies outside the canvas"),
        ({"constraints": {2: "abc", 4: "d"}}, "4:d stands on a position that is taken already"),
        ({"constraints": {1: "x"}, "prefix": "abc"}, "1:x lies in the prefix or the suffix"),
        ({"prefix": "abcde", "suffix": "abcd"}, "have 9 tokens, but the answer has room for 8"),
        ({"prefix": "abcdefgh"}, "All 8 positions after the prompt are given"),
        ({"constraints": {0: 9999}}, "There is no token 9999"),
    ],
)
def test_what_cannot_stand_there_is_refused(text_model, forced, says):
    with pytest.raises((SpecError, DataError)) as caught:
        canvas(text_model, **forced)
    assert says in str(caught.value)


def test_the_mask_is_no_word(text_model):
    with pytest.raises(SpecError, match="the mask token"):
        canvas(text_model, constraints={0: text_model.config.mask_token_id})


def source(path, model, steps):
    """A trajectory of `ab` and four masks with a delta for each of `steps`."""
    mask = model.config.mask_token_id
    start = {
        "type": "start",
        "request": "r",
        "model": "m",
        "mask_id": mask,
        "prompt_length": 2,
        "at_least": 5,
    }
    start |= {"ids": [0, 1, mask, mask, mask, mask]}
    lines = [start] + [
        {"type": "step", "step": k, "deltas": [[position, token, "", 1.0, "revealed", []]]}
        for k, (position, token) in enumerate(steps)
    ]
    path.write_text("".join(trajectory.encode(line) for line in lines))
    return path


def test_a_branch_begins_with_the_canvas_of_its_step(text_model, tmp_path):
    file, mask = source(tmp_path / "r.jsonl", text_model, [(2, 7), (3, 8)]), text_model.config.mask_token_id
    for step, ids in (
        (None, [0, 1, 7, 8]),
        (1, [0, 1, 7, 8]),
        (0, [0, 1, 7, mask]),
        (-1, [0, 1, mask, mask]),
    ):
        found, parent = branch_canvas(Branch(file, step), text_model)
        assert found.ids == [*ids, mask, mask] and parent["step"] == (1 if step is None else step)
    found, parent = branch_canvas(Branch(file, 1, {4: "xy"}, (1, 2)), text_model)
    assert found.ids == [0, mask, mask, 8, 23, 24]
    assert (found.prompt_length, found.completes, found.at_least) == (2, True, 6)
    assert branch_canvas(Branch(file, 1, {3: 5}), text_model)[0].at_least == 5  # the parent's
    assert parent == {"request": "r", "step": 1, "pins": {"4": 23, "5": 24}, "remask": [1, 2]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"step": 4}, "has no step 4: its steps go from 0 to 3; -1 is before the first"),
        ({"step": -2}, "has no step -2"),
        ({"remask": (6,)}, "Position 6 is not on the canvas: they go from 0 to 5"),
        ({"pins": {6: "a"}}, "6:a lies outside the canvas: positions go from 0 to 5"),
        ({"pins": {3: "a"}, "remask": (3,)}, "Position 3 is both pinned and masked again"),
        ({}, "Nothing is left to be written"),
    ],
)
def test_a_branch_that_cannot_be_is_refused(text_model, tmp_path, changes, says):
    file = source(tmp_path / "r.jsonl", text_model, [(2, 7), (3, 8), (4, 9), (5, 10)])
    with pytest.raises(SpecError) as caught:
        branch_canvas(Branch(file, **changes), text_model)
    assert says in str(caught.value)


def test_a_branch_needs_the_tokens_of_its_model(text_model, grid_model, tmp_path):
    with pytest.raises(SpecError, match="model with other tokens"):
        branch_canvas(Branch(source(tmp_path / "r.jsonl", text_model, [])), grid_model)
    with pytest.raises(JobError, match="no canvas"):
        branch_canvas(Branch(tmp_path / "none.jsonl"), text_model)
