"""Makes the word-level tokenizer of the stories model: `python -m assets.make_tokenizer FOLDER`.

One token a word or punctuation mark of the grammar. A word after a space begins with the mark `▁`, as in
SentencePiece, so that decoding puts every space back where it was.
"""

import argparse
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from jobs.data.builders.story_grammar import vocabulary

MASK, END, UNKNOWN, USER, BOT = "[MASK]", "[END]", "[UNK]", "[USER]", "[BOT]"
AFTER_A_SPACE = "▁"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '[BOT]' + message['content'] + '[END]' }}"
    "{% elif message['content'] %}{{ '[USER]' + message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '[BOT]' }}{% endif %}"
)


def make() -> PreTrainedTokenizerFast:
    """The tokenizer, special tokens first."""
    special = [MASK, END, UNKNOWN, USER, BOT]
    words = vocabulary()
    punctuation = [word for word in words if not word[0].isalnum()]
    # Without a space before them: all punctuation but an opening quotation mark, and the word after that.
    spaced = [AFTER_A_SPACE + word for word in words if word[0].isalnum() or word == '"']
    tight = ["That"]
    ids = {token: number for number, token in enumerate([*special, *punctuation, *tight, *spaced])}
    core = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement=AFTER_A_SPACE, prepend_scheme="always", split=False),
            pre_tokenizers.Split(Regex(rf"{AFTER_A_SPACE}?[\p{{L}}\p{{N}}]+|{AFTER_A_SPACE}?."), "isolated"),
        ]
    )
    core.decoder = decoders.Metaspace(replacement=AFTER_A_SPACE, prepend_scheme="always", split=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        mask_token=MASK,
        eos_token=END,
        pad_token=END,
        unk_token=UNKNOWN,
        extra_special_tokens=[USER, BOT],
        clean_up_tokenization_spaces=False,
        model_max_length=128,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    make().save_pretrained(parser.parse_args().folder)


if __name__ == "__main__":
    main()
