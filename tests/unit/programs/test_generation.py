"""From requests to canvases, and a trajectory as it is written."""

import pytest

from jobs.programs.asks import MODES, Ask, as_ask
from jobs.programs.generation import (
    as_tensors,
    begin,
    make_canvas,
    record,
    request_id,
    unmask,
)
from jobs.programs.process import Process
from jobs.programs.training.film import make_film
from jobs.protocol import trajectory
from jobs.protocol.errors import DataError, ModelError, SpecError
from jobs.protocol.folder import RunFolder
from jobs.specs.job import TrainSpec
from jobs.specs.samplers import LLaDASampler
from jobs.specs.samplers.presets import chosen


def sampler(**options):
    return LLaDASampler(**{"steps": 4, "max_new_tokens": 8, "block_size": 8, **options})


def canvas(model, mode, content, **options):
    return make_canvas(Ask(mode, content), model, sampler(**options))


def test_a_prompt_is_gone_on_with(text_model):
    found = canvas(text_model, "prompt", "ab c")
    assert (found.prompt_length, found.completes) == (4, True)
    ids, mask, offsets = as_tensors([found], text_model)
    assert ids.shape == (1, 12) and mask is None and offsets == [0]
    assert (ids[0, 4:] == text_model.config.mask_token_id).all()


def test_an_empty_prompt_is_all_masks(text_model):
    assert set(canvas(text_model, "prompt", "").ids) == {text_model.config.mask_token_id}


def test_messages_are_rendered_up_to_the_answer(text_model):
    text_model.tokenizer.chat_template = "{% for m in messages %}U:{{ m['content'] }}\n{% endfor %}A:"
    found = canvas(text_model, "messages", [{"role": "user", "content": "hi"}])
    assert text_model.tokenizer.decode(found.ids[: found.prompt_length]) == "U:hi\nA:"
    with pytest.raises(DataError, match="'role' and 'content'"):
        canvas(text_model, "messages", [{"role": "user"}])


def test_infill_puts_masks_into_the_gaps(text_model):
    found = make_canvas(Ask("infill", "a ____ b", blanks=3), text_model, sampler())
    assert found.ids.count(text_model.config.mask_token_id) == 3
    assert (found.prompt_length, found.completes) == (0, False)
    with pytest.raises(DataError, match="____"):
        canvas(text_model, "infill", "a __ b")


def test_gaps_need_no_space_or_letter_that_the_tokenizer_lacks(grid_model):
    found = make_canvas(Ask("infill", "12____", blanks=2), grid_model, sampler())
    assert found.ids.count(grid_model.config.mask_token_id) == 2 and len(found.ids) == 4
    with pytest.raises(DataError, match="no token for 'x'"):
        canvas(grid_model, "infill", "1x____")


def test_a_prompt_of_the_film_that_does_not_fit_is_named(grid_model, tmp_path):
    spec = {"kind": "train", "model": {"path": "m"}, "data": {"path": "d"}, "report": {"prompts": ["1x____"]}}
    run = RunFolder.create(tmp_path, "train", spec)
    process = Process(run, run.new_attempt(), TrainSpec.parse(spec))
    with pytest.raises(SpecError, match="report.prompts, '1x____': The grid has 6 cells"):
        make_film(process, grid_model, False)


def test_a_grid_is_given_cell_by_cell(grid_model):
    found = canvas(grid_model, "grid", "1.\n02")
    mask = grid_model.config.mask_token_id
    assert found.ids == [0, mask, mask, 1]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ("1.2", "has 3 cells; this model takes 2 x 2 = 4"),
        ("1x..", "no token for 'x'"),
        ("1212", "no blank cell"),
    ],
)
def test_a_grid_that_cannot_be_is_named(grid_model, cells, says):
    with pytest.raises(DataError) as caught:
        canvas(grid_model, "grid", cells)
    assert says in str(caught.value)


def test_a_text_model_takes_no_grids(text_model):
    with pytest.raises(DataError, match="not for grids"):
        canvas(text_model, "grid", "1.")


def test_a_canvas_longer_than_the_model_is_refused(text_model):
    with pytest.raises(SpecError, match=r"34 tokens, but the model has 32 positions: lower max_new_tokens"):
        canvas(text_model, "prompt", "ab", max_new_tokens=32, block_size=32)
    with pytest.raises(SpecError, match="shorten the text"):
        canvas(text_model, "infill", "a" * 30 + "____")
    text_model.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    turns = [{"role": role, "content": "a" * 10} for role in ("user", "assistant", "user")]
    with pytest.raises(SpecError, match="or begin a new conversation"):
        canvas(text_model, "messages", turns)


def test_a_model_without_tokenizer_cannot_read(text_model):
    text_model.tokenizer = None
    with pytest.raises(ModelError, match="no tokenizer"):
        canvas(text_model, "prompt", "a")


def test_rows_of_unequal_length_are_padded_on_the_left(text_model):
    rows = [canvas(text_model, "prompt", "ab"), canvas(text_model, "prompt", "abcd")]
    ids, mask, offsets = as_tensors(rows, text_model)
    assert offsets == [2, 0]
    assert mask is not None and mask[0].tolist() == [0, 0] + [1] * 10
    assert ids[0, 0] == text_model.pad_id


def test_how_a_plain_prompt_is_meant(text_model, grid_model):
    assert as_ask("1...", grid_model.config, True).mode == "grid"
    assert as_ask("a ____ b", text_model.config, True).mode == "infill"
    assert as_ask("a", text_model.config, True) == Ask("messages", [{"role": "user", "content": "a"}])
    assert as_ask("a", text_model.config, False) == Ask("prompt", "a")
    assert as_ask("a", text_model.config, True).shown == "a"
    assert set(MODES) == {"prompt", "messages", "infill", "grid"}


def test_the_checkpoints_preset_stands_over_the_defaults(text_model):
    assert chosen(text_model.config, None) == sampler()
    assert chosen(text_model.config, {"steps": 2}).steps == 2
    assert chosen(text_model.config, {"steps": 2}).max_new_tokens == 64  # what is given stands alone
    given = sampler(steps=1)
    assert chosen(text_model.config, given) is given
    with pytest.raises(SpecError, match="no sampler 'gibbs'"):
        chosen(text_model.config, {"name": "gibbs"})
    with pytest.raises(SpecError, match="Did you mean 'steps'"):
        chosen(text_model.config, {"step": 3})


def recorded(model, path, should_stop=lambda: False):
    ask = Ask("prompt", "ab")
    found = make_canvas(ask, model, sampler())
    ids, mask, _ = as_tensors([found], model)
    line = begin(model, ask.shown, found, ids, sampler(), request="r", model="m", seed=1)
    record(path, line, unmask(model, ids, mask, sampler(), 1, should_stop), should_stop)
    return trajectory.read(path)


def test_a_recorded_trajectory_is_whole(text_model, tmp_path):
    lines = recorded(text_model, tmp_path / "r.jsonl")
    assert [line["type"] for line in lines] == ["start", *["step"] * 4, "end"]
    assert lines[-1]["reason"] == "finished"
    assert text_model.config.mask_token_id not in trajectory.canvas_after(lines)


def test_a_stop_between_steps_ends_as_cancelled(text_model, tmp_path):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 2

    lines = recorded(text_model, tmp_path / "r.jsonl", stop)
    assert (len(lines), lines[-1]["reason"]) == (4, "cancelled")


def test_the_run_is_part_of_its_own_requests_names(tmp_path):
    assert request_id(RunFolder(tmp_path / "train-0001"), "step5-0") == "train-0001_step5-0"
    assert request_id(RunFolder(tmp_path / "my run"), "step5-0") == "step5-0"


def with_vocabulary(model, words, splitter):
    """The model with a vocabulary of these words and no others."""
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    known = {word: number for number, word in enumerate(["[PAD]", "[MASK]", "[UNK]", *words])}
    words_only = tokenizers.Tokenizer(tokenizers.models.WordLevel(known, unk_token="[UNK]"))
    words_only.pre_tokenizer = splitter
    model.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words_only, unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]"
    )
    return model


def test_words_that_a_small_vocabulary_lacks_are_named(text_model):
    tokenizers = pytest.importorskip("tokenizers")
    with_vocabulary(text_model, ["a", "fox"], tokenizers.pre_tokenizers.Whitespace())
    assert canvas(text_model, "prompt", "a fox").prompt_length == 2
    with pytest.raises(DataError, match="'wolf'.*vocabulary has 5"):
        canvas(text_model, "prompt", "a wolf")
    with pytest.raises(DataError, match="'wolf'"):
        make_canvas(Ask("infill", "a wolf ____", blanks=2), text_model, sampler())


def test_a_stop_that_is_known_where_it_stands_is_not_called_unknown(text_model):
    from tokenizers import Regex, pre_tokenizers

    marked = pre_tokenizers.Metaspace(split=False)  # a stop alone would be a stop after a space
    with_vocabulary(
        text_model,
        ["\u2581a", "\u2581fox", "."],
        pre_tokenizers.Sequence([marked, pre_tokenizers.Split(Regex("\u2581?\\w+|\u2581?."), "isolated")]),
    )
    assert canvas(text_model, "prompt", "a fox.").prompt_length == 3
    with pytest.raises(DataError, match="does not know 'wolf': its"):
        canvas(text_model, "prompt", "a fox. a wolf.")
    with pytest.raises(DataError, match="does not know ' ': its"):
        canvas(text_model, "prompt", "a fox. ")


def test_suppressing_every_token_is_refused(text_model):
    ids, mask, _ = as_tensors([canvas(text_model, "prompt", "ab")], text_model)
    words = [token for token in range(len(text_model.tokenizer)) if token != text_model.config.mask_token_id]
    with pytest.raises(SpecError, match="leaves no token to write"):
        list(unmask(text_model, ids, mask, sampler(suppress_tokens=words), seed=0))
    steps = list(unmask(text_model, ids, mask, sampler(suppress_tokens=words[1:]), seed=0))
    assert set(steps[-1].ids[0, 2:].tolist()) == {words[0]}
