"""Masks filled where chance says, whatever the model thinks of the places: what the random orders of Dream
and DiffuLLaMA share. Shape suffixes: as in base."""

from collections.abc import Callable, Generator, Sequence

from torch import Tensor

from jobs.diffusion.samplers.base import Forward, Start, Step, View, columns, write

Ask = Callable[[Tensor, Tensor], Generator[Forward, Tensor, tuple[View, Tensor]]]
"""Asks the model about some columns [W] of the canvases [B, L]: what it says, and a token [B, W] for each."""


def fill_by_chance(
    start: Start, shares: Sequence[float], ask: Ask
) -> Generator[Forward | Step, Tensor, Tensor]:
    """In each step every mask is written with the probability `shares` says; 1 in the last leaves none.

    Places are drawn before the model is asked, so a step that writes nothing costs no pass.
    Returns the canvases [B, L] in the end.
    """
    ids, open_BL = start.ids, ~start.given
    for share in shares:
        # 1. Where to write.
        at = columns(open_BL)
        chosen_BL = open_BL.clone()
        if share < 1:
            chosen_BL[:, at] &= start.draws.uniform(ids, at) < share
        at = columns(chosen_BL)
        if not len(at):
            continue
        # 2. What to write there.
        view, tokens_BW = yield from ask(ids, at)
        step = write(start, ids, view, tokens_BW, chosen_BL[:, at])
        ids, open_BL = step.ids, open_BL & ~chosen_BL
        yield step
    return ids
