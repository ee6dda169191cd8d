"""Tokenizers: from a folder, or one token a character; mask tokens; end tokens."""

from pathlib import Path

import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from jobs.protocol.errors import ModelError, SpecError
from jobs.protocol.folder import read_json

CHARACTERS = "characters:"
DEFAULT_MASK = "<|mask|>"
TURN_ENDS = ("<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>", "<|eot|>")
PLAIN = ("TokenizersBackend", "PreTrainedTokenizerFast")
FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "spiece.model")


def load_tokenizer(name: str | Path, stock_class: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, or of `characters:0123456789` (see `character_tokenizer`).

    `stock_class` is read where the folder names a class of its own code, which is never run.

    Raises: SpecError for a wrong character list, ModelError for a folder without a usable tokenizer.
    """
    if str(name).startswith(CHARACTERS):
        return character_tokenizer(str(name).removeprefix(CHARACTERS))
    folder = Path(name)
    if not has_tokenizer(folder):
        raise ModelError(f"{folder} has no tokenizer (none of {', '.join(FILES[:3])}). Copy it there.")
    # AutoTokenizer goes by the model's type: for Qwen2 it would put its own splitting rules over a tokenizer
    # that says it has none. What says it is a plain tokenizer.json is read as one.
    try:
        loader = PreTrainedTokenizerFast if _is_plain(folder) else AutoTokenizer
        if stock_class is not None and needs_code(folder):
            loader = getattr(transformers, stock_class)
        return loader.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises plain Exception
        raise ModelError(f"the tokenizer in {folder} cannot be read: {_first_line(error)}") from None


def _is_plain(folder: Path) -> bool:
    if not (folder / "tokenizer.json").is_file():
        return False
    settings = read_json(folder / "tokenizer_config.json")
    return isinstance(settings, dict) and settings.get("tokenizer_class") in PLAIN


def needs_code(folder: Path) -> bool:
    """Whether a folder's tokenizer is of a class in its own Python files, which are never run."""
    settings = read_json(folder / "tokenizer_config.json")
    return isinstance(settings, dict) and "AutoTokenizer" in (settings.get("auto_map") or {})


def has_tokenizer(folder: Path) -> bool:
    return any((folder / file).is_file() for file in FILES)


def character_tokenizer(characters: str) -> PreTrainedTokenizerFast:
    """One token for each character, in the order given, then <pad>, <eos> and <mask>.

    It has no token for unknown characters: encoding one raises.
    Raises: SpecError if there are none or one comes twice.
    """
    if not characters:
        raise SpecError("characters: lists no characters; write for example characters:0123456789.")
    twice = sorted({c for c in characters if characters.count(c) > 1})
    if twice:
        raise SpecError(f"characters: lists {''.join(twice)!r} more than once.")
    vocabulary = {token: index for index, token in enumerate([*characters, "<pad>", "<eos>", "<mask>"])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=""))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", mask_token="<mask>"
    )


def end_of_turn_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The id of the token that ends a turn, where it differs from the end of text."""
    known = tokenizer.get_added_vocab()
    ids = [known[token] for token in TURN_ENDS if token in known]
    return ids[0] if ids and ids[0] != tokenizer.eos_token_id else None


def give_mask_token(tokenizer: PreTrainedTokenizerBase, asked: str | None) -> tuple[int, bool]:
    """Make sure there is a mask token; returns (its id, whether it was added now).

    `asked` None: the tokenizer's own mask token, else <|mask|> is added.
    Raises: ModelError where the asked token means something else already.
    """
    if asked is None and tokenizer.mask_token is not None:
        asked = str(tokenizer.mask_token)
    token = asked or DEFAULT_MASK
    if not token.strip():
        raise ModelError("mask_token is empty; leave it out or name a token such as <|mask|>.")
    for role in ("eos", "bos", "pad", "unk"):
        if getattr(tokenizer, f"{role}_token") == token:
            raise ModelError(
                f"mask_token {token!r} is already the tokenizer's {role} token; "
                "choose another, such as <|mask|>."
            )
    added = token not in tokenizer.get_vocab()
    if not added and not _is_special(tokenizer, token):
        raise ModelError(
            f"mask_token {token!r} is an ordinary word of the vocabulary, so texts that contain it would be "
            "taken for masks; choose another, such as <|mask|>."
        )
    tokenizer.add_special_tokens({"mask_token": token})
    return int(tokenizer.convert_tokens_to_ids(token)), added


def _is_special(tokenizer: PreTrainedTokenizerBase, token: str) -> bool:
    entry = tokenizer.added_tokens_decoder.get(tokenizer.convert_tokens_to_ids(token))
    return entry is not None and entry.special


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
