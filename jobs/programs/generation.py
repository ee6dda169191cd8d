"""From what a person asks for to a canvas, and from a sampler's steps to a trajectory file.

Shared by the playground's server, the sample job and a training's film strip.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jobs.data import chat
from jobs.data.encode import tokenize
from jobs.diffusion import canvas as canvases
from jobs.diffusion import unmask as unmasking
from jobs.diffusion.samplers import Draws, Start, Step
from jobs.diffusion.stream import Trajectory
from jobs.models.checkpoint import Checkpoint
from jobs.protocol.errors import DataError, ModelError, SpecError
from jobs.protocol.folder import RUN_ID, RunFolder
from jobs.protocol.trajectory import encode
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import SAMPLERS as SAMPLER_SPECS
from jobs.specs.samplers import SamplerSpec

BLANKS = 8  # masks that ____ stands for


@dataclass(frozen=True)
class Ask:
    """What one request wants: `mode` is a name of MODES, `content` a text or a list of messages."""

    mode: str
    content: Any
    blanks: int = BLANKS

    @property
    def shown(self) -> str:
        """What a person sees as the prompt."""
        if self.mode == "messages":
            return "\n".join(str(m.get("content", "")) for m in self.content if m.get("role") == "user")
        return str(self.content)


@dataclass(frozen=True)
class Canvas:
    """Where sampling starts: ids with masks."""

    ids: list[int]  # of a completion only the prompt
    prompt_length: int  # of a completion; 0 where masks stand between given words
    completes: bool  # masks are still to be put after `ids`


def _prompt(ask: Ask, tokenizer: Any, config: DiffusionConfig) -> Canvas:
    ids = tokenize([ask.content], tokenizer)[0] if ask.content else []
    return Canvas(ids, len(ids), completes=True)


def _messages(ask: Ask, tokenizer: Any, config: DiffusionConfig) -> Canvas:
    for message in ask.content:
        if not isinstance(message, dict) or not {"role", "content"} <= set(message):
            raise DataError("A message is an object with 'role' and 'content'.")
    text = chat.render(ask.content, tokenizer, add_generation_prompt=True)
    ids = tokenize([text], tokenizer)[0]
    return Canvas(ids, len(ids), completes=True)


def _infill(ask: Ask, tokenizer: Any, config: DiffusionConfig) -> Canvas:
    if not canvases.BLANK.search(ask.content):
        raise DataError("There is nothing to fill in: write ____ (four underscores) where text is missing.")
    ids = canvases.infill(ask.content, tokenizer, config.mask_token_id, ask.blanks)[0].tolist()
    return Canvas(ids, 0, completes=False)


def _grid(ask: Ask, tokenizer: Any, config: DiffusionConfig) -> Canvas:
    if config.grid is None:
        raise DataError("This model is not for grids: its diffusion settings name no grid.")
    cells = "".join(ask.content.split())
    wanted = config.grid.rows * config.grid.columns
    if len(cells) != wanted:
        raise DataError(
            f"The grid has {len(cells)} cells; this model takes {config.grid.rows} x {config.grid.columns} = "
            f"{wanted}, a character a cell, with . or 0 for a blank one."
        )
    ids: list[int] = []
    for number, cell in enumerate(cells, 1):
        blank = cell in canvases.GRID_BLANKS
        token = [config.mask_token_id] if blank else tokenize([cell], tokenizer)[0]
        if len(token) != 1 or (not blank and token[0] == tokenizer.unk_token_id):
            raise DataError(f"Cell {number} of the grid: {cell!r} is no single token of this model.")
        ids += token
    if config.mask_token_id not in ids:
        raise DataError("The grid has no blank cell; write . or 0 for the cells to be filled.")
    return Canvas(ids, 0, completes=False)


MODES: dict[str, Callable[[Ask, Any, DiffusionConfig], Canvas]] = {
    "prompt": _prompt,  # the text goes on
    "messages": _messages,  # the next answer of a conversation
    "infill": _infill,  # ____ is filled in
    "grid": _grid,  # . or 0 is filled in
}


def as_ask(prompt: str, config: DiffusionConfig, conversations: bool) -> Ask:
    """How a plain prompt is meant: a grid for a grid model, gaps where it has ____, a question for a model
    trained on conversations, else a text to go on with."""
    if config.task == "grid":
        return Ask("grid", prompt)
    if canvases.BLANK.search(prompt):
        return Ask("infill", prompt)
    if conversations:
        return Ask("messages", [{"role": "user", "content": prompt}])
    return Ask("prompt", prompt)


def make_canvas(ask: Ask, loaded: Checkpoint, sampler: SamplerSpec) -> Canvas:
    """The canvas of a request.

    Raises: DataError, SpecError, ModelError, each a sentence for the one who asked.
    """
    if loaded.tokenizer is None:
        raise ModelError("This model's folder has no tokenizer, so it cannot read a prompt. Copy one there.")
    canvas = MODES[ask.mode](ask, loaded.tokenizer, loaded.config)
    _all_known(ask, canvas, loaded.tokenizer)
    length = len(canvas.ids) + (sampler.max_new_tokens if canvas.completes else 0)
    limit = positions(loaded.model)
    if limit is not None and length > limit:
        remedy = (
            f"lower max_new_tokens (now {sampler.max_new_tokens}) or shorten the prompt"
            if canvas.completes
            else "shorten the text"
        )
        raise SpecError(f"The canvas has {length} tokens, but the model has {limit} positions: {remedy}.")
    return canvas


def _all_known(ask: Ask, canvas: Canvas, tokenizer: Any) -> None:
    """Raises: DataError that names the words which a small vocabulary lacks, rather than lose them."""
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown in (tokenizer.eos_token_id, tokenizer.pad_token_id):
        return
    if unknown not in canvas.ids:
        return
    texts = [m["content"] for m in ask.content] if ask.mode == "messages" else [ask.content]
    words = [word for text in texts for word in re.findall(r"\w+|[^\w\s]", canvases.BLANK.sub(" ", text))]
    lost = [word for word in dict.fromkeys(words) if unknown in tokenize([word], tokenizer)[0]]
    named = ", ".join(repr(word) for word in lost[:8]) or "something in this text"
    raise DataError(
        f"This model does not know {named}: its vocabulary has {len(tokenizer)} tokens. Use other words."
    )


def as_tensors(
    rows: list[Canvas], loaded: Checkpoint, sampler: SamplerSpec
) -> tuple[Tensor, Tensor | None, list[int]]:
    """(ids [B, L], attention mask [B, L] or None, padding on the left of each row), on the model's device."""
    mask_id = loaded.config.mask_token_id
    tail = [mask_id] * sampler.max_new_tokens
    whole = [row.ids + tail if row.completes else row.ids for row in rows]
    ids, mask = canvases.completion(whole, 0, mask_id, loaded.pad_id)
    where = next(loaded.model.parameters()).device
    longest = ids.shape[1]
    return ids.to(where), None if mask is None else mask.to(where), [longest - len(row) for row in whole]


def preset(config: DiffusionConfig, given: SamplerSpec | dict | None) -> SamplerSpec:
    """The sampler to use: the one given, else the checkpoint's own preset over the defaults.

    Raises: SpecError.
    """
    if given is not None and not isinstance(given, dict):
        return given
    settings = dict(config.sampler) if given is None else dict(given)
    name = settings.setdefault("name", "llada")
    if name not in SAMPLER_SPECS:
        raise SpecError(f"There is no sampler {name!r}; known: {', '.join(SAMPLER_SPECS)}.")
    return SAMPLER_SPECS[name].parse(settings, where="sampler")  # type: ignore[return-value]


def positions(model: Any) -> int | None:
    """The longest sequence a model can take, or None where its config sets no limit."""
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    return getattr(config, "max_position_embeddings", None)


def make_start(
    loaded: Checkpoint,
    ids: Tensor,
    attention_mask: Tensor | None,
    sampler: SamplerSpec,
    seed: int,
    want_details: bool = True,
) -> Start:
    """Where a sampler starts on canvases [B, L]; the same seed and batch give the same steps.

    Raises: SpecError for a suppressed token that the model has not.
    """
    denoiser = loaded.denoiser()
    return Start(
        ids,
        loaded.config,
        attention_mask,
        Draws(torch.Generator("cpu").manual_seed(seed)),
        eos_id=loaded.eos_id,
        eot_id=loaded.eot_id,
        suppress=tuple(token_id(token, loaded) for token in sampler.suppress_tokens),
        want_details=want_details,
        new_cache=denoiser.new_cache,
    )


def token_id(token: int | str, loaded: Checkpoint) -> int:
    """A token by its id, as it stands in the vocabulary, or as a text that is one token.

    Raises: SpecError.
    """
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    if isinstance(token, int):
        if not 0 <= token < rows:
            raise SpecError(f"There is no token {token}: the model has {rows} tokens.")
        return token
    assert loaded.tokenizer is not None, "make_canvas has refused a model without one"
    known = loaded.tokenizer.get_vocab().get(token)
    ids = [known] if known is not None else tokenize([token], loaded.tokenizer)[0]
    if len(ids) != 1 or ids[0] == loaded.tokenizer.unk_token_id:
        raise SpecError(f"{token!r} is no single token of this model; give its id or another spelling.")
    return ids[0]


def unmask(
    loaded: Checkpoint,
    ids: Tensor,
    attention_mask: Tensor | None,
    sampler: SamplerSpec,
    seed: int,
    should_stop: Callable[[], bool] | None = None,
    want_details: bool = True,
) -> Iterator[Step]:
    """The sampler's steps over a batch of canvases [B, L]."""
    start = make_start(loaded, ids, attention_mask, sampler, seed, want_details)
    return unmasking.unmask(loaded.denoiser(), start, sampler, should_stop)


def request_id(run: RunFolder, name: str) -> str:
    """The id of a trajectory that a run makes by itself; the run's id in front makes it the only one."""
    return f"{run.id}_{name}" if RUN_ID.match(run.id) else name


def begin(
    loaded: Checkpoint,
    ask: Ask,
    canvas: Canvas,
    ids: Tensor,
    sampler: SamplerSpec,
    *,
    request: str,
    model: str,
    seed: int,
    row: int = 0,
    offset: int = 0,
) -> Trajectory:
    """The trajectory of one row of the canvases `ids` [B, L]."""
    assert loaded.tokenizer is not None, "make_canvas has refused a model without one"
    return Trajectory(
        loaded.tokenizer,
        loaded.config,
        ids,
        request=request,
        model=model,
        sampler=sampler.model_dump(mode="json"),
        seed=seed,
        prompt=ask.shown,
        prompt_length=canvas.prompt_length,
        row=row,
        offset=offset,
        eot_id=loaded.eot_id,
    )


def record(
    path: Path, trajectory: Trajectory, steps: Iterator[Step], was_cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Write one row's trajectory as it comes to be, a line at a time, each seen at once by whoever tails the
    file. Returns the end line."""
    with open(path, "w", encoding="utf-8", buffering=1) as file:  # a line at a time
        file.write(encode(trajectory.start()))
        for step in steps:
            line = trajectory.step(step)
            if line is not None:
                file.write(encode(line))
        end = trajectory.end("cancelled" if was_cancelled() else "finished")
        file.write(encode(end))
    return end
