"""Left to right, a token a pass: what a causal model's own `generate` does, told as the steps of a canvas."""

from jobs.diffusion.samplers.base import Sampling, Start, columns, look, write
from jobs.diffusion.samplers.filters import draw
from jobs.protocol.errors import SpecError
from jobs.specs.samplers.ar import ARSampler


def sample(start: Start, options: ARSampler) -> Sampling:
    """Fill every mask, column by column; given words stand, but only those to the left are read.

    Keys and values of a causal model never change, so each pass is fed only what is new.
    Raises: SpecError where a causal model is to write a text's first token, for which it needs one before.
    """
    ids, is_causal = start.ids, start.config.objective == options.objective
    todo = columns(start.masked(ids)).tolist()
    if is_causal and todo[:1] == [0]:
        raise SpecError("A causal model goes on with a text: begin with a word, or leave its first token.")
    cache = start.new_cache(ids.shape[1]) if is_causal and start.new_cache is not None else None
    read = 0  # columns whose keys and values are kept
    for column in todo:
        # 1. All up to here is read.
        shown = ids[:, : _width(start, column, is_causal)]
        seen = None if start.attention_mask is None else start.attention_mask[:, : shown.shape[1]]
        at = ids.new_tensor([column])
        feed = slice(read, shown.shape[1]) if cache is not None else None
        view = yield from look(start, shown, at, seen, suppress=(start.mask_id,), feed=feed, cache=cache)
        read = column
        # 2. Its likeliest token, or one that is drawn.
        drawn = draw(view, options.temperature, options.top_k, options.top_p, start.draws, ids)
        step = write(start, ids, view, drawn.tokens, start.masked(ids)[:, at])
        ids = step.ids
        yield step


def _width(start: Start, column: int, is_causal: bool) -> int:
    """How many columns are read to write one. A causal model need not see its place; of padded rows it is
    read all the same, for some begin there."""
    return column if is_causal and start.attention_mask is None else column + 1
