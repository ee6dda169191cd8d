"""From rows to token sequences and batches."""

import itertools

import pytest
import torch

from jobs.data import chat
from jobs.data.collate import Collator
from jobs.data.encode import Encoded, Sequence, encode, end_of_text, tokenize
from jobs.data.rows import Message, Row
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import DataError, ModelError, SpecError
from jobs.specs.data import DataSpec

LETTERS = "abcdefghijklmnopqrstuvwxyzASU: \n"
TEMPLATE = (
    "{% for m in messages %}{{ m['role'][0] }}:{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)


@pytest.fixture
def tokenizer():
    return character_tokenizer(LETTERS)


def spec(**options):
    return DataSpec(path="rows.jsonl", **options)


def talk(question, answer):
    return Row("rows.jsonl, line 1", messages=(Message("user", question), Message("assistant", answer)))


def test_the_prompt_is_what_sampling_renders_and_the_answer_ends_with_eos(tokenizer):
    tokenizer.chat_template = TEMPLATE
    (sequence,) = encode([talk("hi", "yes")], tokenizer, spec()).sequences
    prompt = chat.render([{"role": "user", "content": "hi"}], tokenizer, add_generation_prompt=True)
    assert sequence.input_ids[: sequence.prompt_length] == tokenize([prompt], tokenizer)[0]
    answer = sequence.input_ids[sequence.prompt_length :]
    assert tokenizer.decode(answer[:-1]) == "yes\n"
    assert answer[-1] == tokenizer.eos_token_id


def test_a_template_that_closes_with_eos_gets_no_second_one(tokenizer):
    tokenizer.chat_template = TEMPLATE.replace("}}\n{% endfor", "}}<eos>\n{% endfor")
    (sequence,) = encode([talk("hi", "yes")], tokenizer, spec()).sequences
    assert sequence.input_ids[sequence.prompt_length :].count(tokenizer.eos_token_id) == 1


def test_without_append_eos_none_is_added(tokenizer):
    tokenizer.chat_template = TEMPLATE
    (sequence,) = encode([talk("hi", "yes")], tokenizer, spec(append_eos=False)).sequences
    assert tokenizer.eos_token_id not in sequence.input_ids


def test_a_tokenizer_without_template_gets_the_plain_one(tokenizer):
    assert chat.ensure_template(tokenizer)
    assert not chat.ensure_template(tokenizer)
    prompt, answer = chat.prompt_and_answer(talk("hi", "yes").messages, tokenizer)
    assert (prompt, answer) == ("User: hi\nAssistant: ", "yes\n")


def test_only_the_last_answer_is_trained(tokenizer):
    tokenizer.chat_template = TEMPLATE
    turns = ("one", "two", "three", "four")
    messages = tuple(Message(("user", "assistant")[i % 2], turn) for i, turn in enumerate(turns))
    (sequence,) = encode([Row("here", messages=messages)], tokenizer, spec()).sequences
    assert "two" in tokenizer.decode(sequence.input_ids[: sequence.prompt_length])
    assert tokenizer.decode(sequence.input_ids[sequence.prompt_length : -1]) == "four\n"


def test_a_template_that_rewrites_past_turns_is_managed(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] }}{% if loop.last %}S{% else %}U{% endif %}:{% endfor %}"
    )
    prompt, answer = chat.prompt_and_answer(talk("hi", "yes").messages, tokenizer)
    assert (prompt, answer) == ("hiS:", "yesS:")


def test_a_template_that_refuses_is_named_with_its_row(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('no such role') }}"
    with pytest.raises(
        DataError, match=r"rows.jsonl, line 1: the model's chat template refuses.*no such role"
    ):
        encode([talk("hi", "yes")], tokenizer, spec())


def test_a_conversation_that_the_template_refuses_may_be_left_out(tokenizer):
    tokenizer.chat_template = (
        "{% if messages[0]['content'] == 'b' %}{{ raise_exception('no b') }}{% endif %}" + TEMPLATE
    )
    rows = [talk("a", "c"), talk("b", "c"), talk("c", "a")]
    found = encode(rows, tokenizer, spec(on_bad_rows="skip"))
    alone = encode([rows[0], rows[2]], tokenizer, spec())
    assert found.sequences == alone.sequences and found.refused == 1
    assert "Left out, for the model's chat template refuses it: 1 of 3 rows." in found.notes(64)
    with pytest.raises(DataError, match="refuses every row"):
        encode(rows[1:2], tokenizer, spec(on_bad_rows="skip"))


def test_long_conversations_are_cut_or_left_out(tokenizer):
    tokenizer.chat_template = TEMPLATE
    rows = [talk("hi", "y" * 50), talk("h" * 50, "yes"), talk("hi", "yes")]
    found = encode(rows, tokenizer, spec(max_length=20))
    assert [len(s.input_ids) for s in found.sequences] == [20, 12]
    assert (found.truncated, found.skipped) == (1, 1)
    assert Encoded(rows=1, truncated=1).notes(8) == ["Cut, being longer than 8 tokens: 1 of 1 row."]
    assert len(found.notes(20)) == 2
    with pytest.raises(DataError, match=r"raise data.max_length"):
        encode([rows[1]], tokenizer, spec(max_length=20))


def test_packed_texts_fill_whole_sequences(tokenizer):
    rows = [Row("here", text=text) for text in ("abc", "de", "fghi", "j")]
    found = encode(rows, tokenizer, spec(max_length=5))
    joined = [i for s in found.sequences for i in s.input_ids]
    assert [len(s.input_ids) for s in found.sequences] == [5, 5]  # 14 tokens: 4 are left over
    assert tokenizer.decode(joined) == "abc<eos>de<eos>fgh"


def test_a_text_shorter_than_one_sequence_is_kept(tokenizer):
    found = encode([Row("here", text="abc")], tokenizer, spec(max_length=50))
    assert [len(s.input_ids) for s in found.sequences] == [4]


def test_one_text_one_sequence(tokenizer):
    rows = [Row("here", text="abc"), Row("here", text="abcdefgh")]
    found = encode(rows, tokenizer, spec(max_length=5, packing=False, append_eos=False))
    assert [tokenizer.decode(s.input_ids) for s in found.sequences] == ["abc", "abcde"]
    assert found.truncated == 1


def test_text_that_cannot_be_spelt_names_its_place(tokenizer):
    with pytest.raises(DataError, match=r"rows\.txt, line 4: the tokenizer has no token for 'Ä'"):
        encode([Row("rows.txt, line 3", text="a"), Row("rows.txt, line 4", text="bÄÖ")], tokenizer, spec())


def test_a_tokenizer_without_eos_is_refused_only_if_one_is_wanted(tokenizer):
    tokenizer.eos_token = None
    with pytest.raises(ModelError, match="append_eos"):
        end_of_text(tokenizer)
    assert encode([Row("here", text="abc")], tokenizer, spec(append_eos=False)).sequences


def test_progress_is_reported_and_may_stop(tokenizer):
    rows = [Row("here", text="a")] * 600
    seen = []
    encode(rows, tokenizer, spec(), report=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 600), (256, 600), (512, 600), (600, 600)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(rows, tokenizer, spec(), report=stop)


SEQUENCES = [Sequence([1, 2, 3, 4], 2), Sequence([5, 6], 1)]


def test_filling_that_is_part_of_the_answer_is_masked_and_attended_to():
    batch = Collator(9, "batch")(SEQUENCES)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4], [5, 6, 9, 9]]
    assert batch["maskable"].tolist() == [[False, False, True, True], [False, True, True, True]]
    assert batch["prompt_lengths"].tolist() == [2, 1]
    assert batch["lengths"].tolist() == [4, 2]
    assert "attention_mask" not in batch


def test_answers_are_cut_to_the_length_of_one_of_them():
    """As dLLM's collator does: of 2, 1 and 4 tokens one is drawn; only longer answers lose their end."""
    seen = set()
    for first in range(20):
        rows = [Sequence([first, 2, 3, 4], 2), Sequence([5, 6], 1), Sequence([1, 1, 1, 2, 3, 4, 5], 3)]
        batch = Collator(9, "ignore", cut=True)(rows)
        assert Collator(9, "ignore", cut=True)(rows)["input_ids"].equal(batch["input_ids"])
        answers = (batch["lengths"] - batch["prompt_lengths"]).tolist()
        kept = max(answers)
        assert answers == [min(2, kept), min(1, kept), min(4, kept)]
        assert batch["input_ids"][0, :2].tolist() == [first, 2] and batch["maskable"].sum() == sum(answers)
        seen.add(kept)
    assert seen == {1, 2, 4}


def test_answers_end_with_a_whole_block_and_the_rest_of_the_batch_is_ignored():
    rows = [Sequence([1, 2, 3, 4, 5], 2), Sequence([6, 7], 1), Sequence([1, 2, 3], 0)]
    batch = Collator(9, "block", 3)(rows)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5, 9], [6, 7, 9, 9, 9, 9], [1, 2, 3, 9, 9, 9]]
    assert batch["maskable"].int().tolist() == [
        [0, 0, 1, 1, 1, 1],
        [0, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
    ]
    assert batch["attention_mask"].tolist() == [[1] * 6, [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]]
    assert batch["lengths"].tolist() == [5, 2, 3]


def test_every_batch_is_filled_to_one_length_that_is_trained():
    batch = Collator(9, "length", 6)(SEQUENCES)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 9, 9], [5, 6, 9, 9, 9, 9]]
    assert batch["maskable"].int().tolist() == [[0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]]
    assert batch["lengths"].tolist() == [4, 2] and "attention_mask" not in batch


def test_filling_that_is_ignored_is_neither():
    batch = Collator(9, "ignore")(SEQUENCES)
    assert batch["maskable"].tolist() == [[False, False, True, True], [False, True, False, False]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert "attention_mask" not in Collator(9, "ignore")(SEQUENCES[:1])


def test_a_shifted_model_never_has_its_first_position_masked():
    batch = Collator(9, "ignore", first_is_given=True)([Sequence([1, 2, 3])])
    assert batch["maskable"].tolist() == [[False, True, True]]
    assert batch["input_ids"].dtype == torch.long


# --- chat templates by name

MANY = (
    Message("system", "be kind"),
    Message("user", "one"),
    Message("assistant", "two"),
    Message("user", "three"),
    Message("assistant", "four"),
)


@pytest.mark.parametrize("name", chat.TEMPLATES)
def test_each_template_parts_the_last_answer_from_all_before(tokenizer, name):
    assert chat.ensure_template(tokenizer, name)
    prompt, answer = chat.prompt_and_answer(MANY, tokenizer)
    whole = chat.render([message.turn() for message in MANY], tokenizer)
    assert prompt + answer == whole
    assert prompt == chat.render([m.turn() for m in MANY[:-1]], tokenizer, add_generation_prompt=True)
    assert answer.startswith("four") and "four" not in prompt
    assert [prompt.index(word) for word in ("be kind", "one", "two", "three")] == sorted(
        prompt.index(word) for word in ("be kind", "one", "two", "three")
    )


def test_a_template_is_chosen_where_there_is_none(tokenizer):
    with pytest.raises(SpecError, match="known: plain, chatml, llama3, gemma"):
        chat.ensure_template(tokenizer, "none")
    assert chat.ensure_template(tokenizer, "chatml")
    assert not chat.ensure_template(tokenizer, "chatml") and not chat.ensure_template(tokenizer)
    with pytest.raises(SpecError, match="template of its own"):
        chat.ensure_template(tokenizer, "llama3")


def test_whole_documents_are_cut_only_where_they_must(tokenizer):
    rows = [Row("here", text=text) for text in ("aaa", "bbbb", "c", "d" * 12)]
    made = encode(rows, tokenizer, spec(max_length=8, whole_documents=True)).sequences
    written = [tokenizer.decode(s.input_ids).replace("<eos>", "|") for s in made]
    assert written == ["aaa|", "bbbb|c|", "d" * 8, "d" * 4 + "|"]


@pytest.mark.parametrize("whole", [False, True])
def test_packed_texts_know_where_they_begin(tokenizer, whole):
    rows = [Row("here", text=text) for text in ("aaa", "bbbb", "c", "d" * 12, "ee", "f" * 9)]
    settings = spec(max_length=8, whole_documents=whole, separate_documents=True)
    made = encode(rows, tokenizer, settings).sequences
    pieces = []
    for s in made:
        cuts = [0, *s.documents, len(s.input_ids)]
        pieces += [tokenizer.decode(s.input_ids[a:b]) for a, b in itertools.pairwise(cuts)]
        assert list(cuts) == sorted(set(cuts))
    assert all(len(set(piece.replace("<eos>", ""))) <= 1 for piece in pieces), "a text a piece"
    assert "".join(pieces) in "".join(f"{row.text}<eos>" for row in rows)
    assert not any(s.documents for s in encode(rows, tokenizer, spec(max_length=8)).sequences)


def test_each_position_is_told_its_text():
    batch = Collator(9, "ignore", first_is_given=True, separate=True)(
        [Sequence([1, 2, 3, 4, 5], documents=(2, 4)), Sequence([1, 2, 3])]
    )
    assert batch["documents"].tolist() == [[0, 0, 1, 1, 2], [0] * 5]
    assert batch["maskable"].int().tolist() == [[0, 1, 0, 1, 0], [0, 1, 1, 0, 0]]


# --- all answers of a conversation

OWN = {
    "stories": "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ 'A:' + m['content'] + '<eos>' }}"
    "{% else %}{{ 'U:' + m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}A:{% endif %}",
    "one letter a role": "{% for m in messages %}{{ m['role'][0] }}:{{ m['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}a:{% endif %}",
}
REWRITES = {
    "the last turn otherwise": "{% for m in messages %}{{ m['content'] }}"
    "{% if loop.last %}S{% else %}U{% endif %}:{% endfor %}",
    "thoughts of earlier turns left out": "{% for m in messages %}{{ m['content'] if loop.last else "
    "m['content'].split(':')[-1] }}\n{% endfor %}",
}


@pytest.mark.parametrize("name", [*chat.TEMPLATES, *OWN])
def test_every_answer_is_what_the_template_writes_after_the_turns_before(name):
    tokenizer = character_tokenizer(LETTERS + "<|>_")
    tokenizer.chat_template = chat.TEMPLATES.get(name) or OWN[name]
    row = Row("here", messages=MANY)
    (one,) = encode([row], tokenizer, spec(answers="last", max_length=512)).sequences
    (every,) = encode([row], tokenizer, spec(answers="all", max_length=512)).sequences
    assert (every.input_ids, every.prompt_length) == (one.input_ids, one.prompt_length) and not one.earlier
    turns = [message.turn() for message in MANY]
    answers = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    for (start, end), number in zip(every.earlier, answers[:-1], strict=True):
        before = chat.render(turns[:number], tokenizer, add_generation_prompt=True)
        after = chat.render(turns[: number + 1], tokenizer)
        assert every.input_ids[:start] == tokenize([before], tokenizer)[0]
        assert every.input_ids[:end] == tokenize([after], tokenizer)[0]
        assert turns[number]["content"] in tokenizer.decode(every.input_ids[start:end])


@pytest.mark.parametrize("name", REWRITES)
def test_a_template_that_writes_earlier_turns_otherwise_trains_the_last_answer_only(tokenizer, name):
    tokenizer.chat_template = REWRITES[name]
    messages = [Message(role, f"x:{text}") for role, text in zip(ROLES, ("a", "b", "c", "d"), strict=True)]
    row = Row("d.jsonl, line 7", messages=tuple(messages))
    with pytest.raises(DataError, match="line 7: .* writes message 2 otherwise .* set data.answers to last"):
        encode([row], tokenizer, spec(answers="all"))
    assert encode([row], tokenizer, spec()).sequences


ROLES = ("user", "assistant", "user", "assistant")


def test_what_is_cut_keeps_the_answers_before_it(tokenizer):
    tokenizer.chat_template = TEMPLATE
    messages = tuple(Message(role, letter * 3) for role, letter in zip(ROLES, "abcd", strict=True))
    whole = "u:aaa\na:bbb\nu:ccc\na:ddd\n"
    for length, earlier in ((len(whole), [(8, 12)]), (20, [(8, 12)]), (10, [(8, 10)])):
        (made,) = encode(
            [Row("", messages=messages)], tokenizer, spec(answers="all", max_length=length)
        ).sequences
        assert list(made.earlier) == earlier and len(made.input_ids) == length
        assert made.prompt_length == min(20, length)
    with pytest.raises(DataError, match="no row fits into 8 tokens"):
        encode([Row("", messages=messages)], tokenizer, spec(answers="all", max_length=8))


def test_earlier_answers_may_be_masked_and_what_is_between_may_not(tokenizer):
    batch = Collator(9, "batch")([Sequence([1, 2, 3, 4, 5, 6], 4, ((1, 2),)), Sequence([1, 2], 1)])
    assert batch["maskable"].int().tolist() == [[0, 1, 0, 0, 1, 1], [0, 1, 1, 1, 1, 1]]
