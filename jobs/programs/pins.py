"""Tokens that must stand where a person puts them, and how such a token is written down.

A token is an id, a piece as it stands in the vocabulary ("[END]"), or the text that the canvas shows for it.
Of a constraint a text that begins with a letter or a digit is a word of its own: past the first position it
gets the space that parts it from the word before. To go on inside a word, give ids.
"""

from collections.abc import Mapping

from jobs.data.encode import tokenize
from jobs.diffusion.text import token_texts
from jobs.models.checkpoint import Checkpoint
from jobs.protocol.errors import DataError, SpecError

Tokens = Mapping[int, int | str]
"""Position -> what is to stand there and, if it takes several tokens, after it."""


def token_id(token: int | str, loaded: Checkpoint) -> int:
    """One token. Raises: SpecError."""
    ids = token_ids(token, loaded)
    if len(ids) != 1:
        raise SpecError(f"{token!r} is no single token of this model; give its id or another spelling.")
    return ids[0]


def token_ids(token: int | str, loaded: Checkpoint) -> list[int]:
    """The tokens that read exactly like `token`, or its id. Raises: SpecError for what the model has not."""
    if isinstance(token, int):
        rows = loaded.model.get_input_embeddings().weight.shape[0]
        if not 0 <= token < rows:
            raise SpecError(f"There is no token {token}: the model has {rows} tokens.")
        return [token]
    tokenizer = loaded.tokenizer
    assert tokenizer is not None, "make_canvas has refused a model without one"
    if (known := tokenizer.get_vocab().get(token)) is not None:
        return [known]
    # A tokenizer that puts a space before every text would make it two.
    spellings = _spellings([token, token.removeprefix(" ")], loaded)
    exact = [ids for ids in spellings if "".join(token_texts(tokenizer, ids)) == token]
    return min(exact, key=len, default=spellings[0])


def word_ids(token: int | str, loaded: Checkpoint, parted: bool) -> list[int]:
    """The tokens of a constraint; `parted`: a word stands before it. Raises: SpecError."""
    if isinstance(token, int):
        return token_ids(token, loaded)
    spaced = parted and token[:1].isalnum()
    # Fewest tokens, the space first: where none is needed, or there is no token with one, it costs a token.
    return min(_spellings([f" {token}", token] if spaced else [token], loaded), key=len)


def _spellings(texts: list[str], loaded: Checkpoint) -> list[list[int]]:
    """The tokens of those of `texts` that the model can write. Raises: SpecError where that is none."""
    assert loaded.tokenizer is not None
    found = []
    for text in texts:
        try:
            ids = tokenize([text], loaded.tokenizer)[0]
        except DataError:  # a tokenizer of single characters lacks one of them
            continue
        if ids and loaded.tokenizer.unk_token_id not in ids:
            found.append(ids)
    if not found:
        raise SpecError(f"{texts[-1]!r} is no text of this model; give a token's id or another spelling.")
    return found


def pin(ids: list[int], pins: Tokens, loaded: Checkpoint, *, first: int = 0, words: bool = False) -> set[int]:
    """Write `pins` on the canvas `ids`; positions count from `first`. Returns the places written.

    Raises: SpecError for a place that is outside the canvas or taken by another pin, and for the mask.
    """
    places: dict[int, int] = {}
    for position, token in sorted(pins.items()):
        tokens = word_ids(token, loaded, position > 0) if words else token_ids(token, loaded)
        room = len(ids) - first
        if not 0 <= position <= room - len(tokens):
            takes = "" if len(tokens) == 1 else f" and takes {len(tokens)} tokens"
            raise SpecError(
                f"{position}:{token} lies outside the canvas{takes}: positions go from 0 to {room - 1}."
            )
        for place, found in enumerate(tokens, first + position):
            if found == loaded.config.mask_token_id:
                raise SpecError(f"{position}:{token} is the mask token, which stands for no word.")
            if place in places:
                raise SpecError(
                    f"{position}:{token} stands on a position that is taken already; the one before it may "
                    "be longer than one token."
                )
            places[place] = found
    for place, found in places.items():
        ids[place] = found
    return set(places)
