"""From what a person asks for to a canvas, and from a sampler's steps to a trajectory file.

Shared by the playground's server, the sample job and a training's film strip.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from jobs.diffusion import canvas as canvases
from jobs.diffusion import unmask as unmasking
from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers import Draws, Start, Step
from jobs.diffusion.seeing import Seeing
from jobs.diffusion.stream import Trajectory
from jobs.models.checkpoint import Checkpoint
from jobs.programs.asks import MODES, Ask, Canvas
from jobs.programs.pictures import picture_reader
from jobs.programs.pins import token_id
from jobs.protocol.errors import ModelError, SpecError
from jobs.protocol.folder import RUN_ID, RunFolder
from jobs.protocol.trajectory import encode
from jobs.specs.samplers import SamplerOptions, SamplerSpec


def make_canvas(ask: Ask, loaded: Checkpoint, sampler: SamplerOptions) -> Canvas:
    """The canvas of a request.

    Raises: DataError, SpecError, ModelError, each a sentence for the one who asked.
    """
    if loaded.tokenizer is None:
        raise ModelError("This model's folder has no tokenizer, so it cannot read a prompt. Copy one there.")
    canvas = MODES[ask.mode](ask, loaded, sampler.max_new_tokens)
    limit = positions(loaded.model)
    if limit is not None and len(canvas.ids) > limit:
        talk = ask.mode == "messages" and any(message["role"] == "assistant" for message in ask.content)
        shorter = "begin a new conversation" if talk else "shorten the prompt"
        remedy = (
            f"lower max_new_tokens (now {sampler.max_new_tokens}) or {shorter}"
            if canvas.completes
            else "shorten the text"
        )
        raise SpecError(
            f"The canvas has {len(canvas.ids)} tokens, but the model has {limit} positions: {remedy}."
        )
    return canvas


def as_tensors(rows: list[Canvas], loaded: Checkpoint) -> tuple[Tensor, Tensor | None, list[int]]:
    """(ids [B, L], attention mask [B, L] or None, padding on the left of each row), on the model's device."""
    ids, mask = canvases.completion([row.ids for row in rows], 0, loaded.config.mask_token_id, loaded.pad_id)
    where = next(loaded.model.parameters()).device
    longest = ids.shape[1]
    return (
        ids.to(where),
        None if mask is None else mask.to(where),
        [longest - len(row.ids) for row in rows],
    )


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
    denoiser: Denoiser | None = None,
) -> Start:
    """Where a sampler starts on canvases [B, L]; the same seed and batch give the same steps.

    Raises: SpecError for a suppressed token that the model has not, and where no token is left.
    """
    denoiser = denoiser or loaded.denoiser()
    suppress = tuple(token_id(token, loaded) for token in sampler.suppress_tokens)
    if len({*suppress, loaded.config.mask_token_id}) == loaded.model.get_input_embeddings().weight.shape[0]:
        raise SpecError("suppress_tokens leaves no token to write: take some out of it.")
    return Start(
        ids,
        loaded.config,
        attention_mask,
        Draws(torch.Generator("cpu").manual_seed(seed)),
        eos_id=loaded.eos_id,
        eot_id=loaded.eot_id,
        suppress=suppress,
        want_details=want_details,
        new_cache=denoiser.new_cache,
    )


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
    shown: str,
    canvas: Canvas,
    ids: Tensor,
    sampler: SamplerOptions,
    *,
    request: str,
    model: str,
    seed: int,
    row: int = 0,
    offset: int = 0,
    parent: dict[str, Any] | None = None,
) -> Trajectory:
    """The trajectory of one row of the canvases `ids` [B, L]; `shown` is its prompt for people."""
    assert loaded.tokenizer is not None, "make_canvas has refused a model without one"
    return Trajectory(
        loaded.tokenizer,
        loaded.config,
        ids,
        request=request,
        model=model,
        sampler=sampler.model_dump(mode="json"),
        seed=seed,
        prompt=shown,
        prompt_length=canvas.prompt_length,
        completes=canvas.completes,
        at_least=canvas.at_least,
        row=row,
        offset=offset,
        eot_id=loaded.eot_id,
        parent=parent,
        pictures=[str(file) for file in canvas.pictures],
    )


def record(
    path: Path, trajectory: Trajectory, steps: Iterator[Step], was_cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Write one row's trajectory as it comes to be, a line at a time, each seen at once by whoever tails the
    file. Returns the end line."""
    with open_lines(path) as file:
        file.write(encode(trajectory.start()))
        for step in steps:
            line = trajectory.step(step)
            if line is not None:
                file.write(encode(line))
        end = trajectory.end("cancelled" if was_cancelled() else "finished")
        file.write(encode(end))
    return end


def open_lines(path: Path) -> TextIO:
    """A trajectory file to be written anew, each line seen at once by whoever tails it."""
    return open(path, "w", encoding="utf-8", buffering=1)


class Generation:
    """One request at work: a canvas, the sampler that fills it, and the lines that tell of it.

    `keep` is given every line as it comes to be. Raises: SpecError for settings that the canvas or the model
    cannot honour.
    """

    def __init__(
        self,
        loaded: Checkpoint,
        shown: str,
        canvas: Canvas,
        sampler: SamplerOptions,
        keep: Callable[[dict[str, Any]], object],
        *,
        request: str,
        model: str,
        seed: int,
        want_details: bool = True,
        parent: dict[str, Any] | None = None,
    ):
        ids, mask, _ = as_tensors([canvas], loaded)
        self.trajectory = begin(
            loaded, shown, canvas, ids, sampler, request=request, model=model, seed=seed, parent=parent
        )
        self.keep = keep
        keep(self.trajectory.start())
        self.seeing = _seeing(loaded, canvas, ids)
        start = make_start(loaded, ids, mask, sampler, seed, want_details, self.seeing)
        self.run = unmasking.Run(start, sampler)

    seeing: Denoiser | None
    """The model with this request's pictures before its eyes; None: there are none."""

    @property
    def finished(self) -> bool:
        return self.run.asks is None

    def tell(self) -> None:
        """Keep the lines of the steps since the last call."""
        while self.run.steps:
            line = self.trajectory.step(self.run.steps.popleft())
            if line is not None:
                self.keep(line)

    def end(self, reason: str, error: str | None = None) -> dict[str, Any]:
        """Stop where it stands and keep the end line, which is returned."""
        self.run.close()
        line = self.trajectory.end(reason, error)
        self.keep(line)
        return line


def _seeing(loaded: Checkpoint, canvas: Canvas, ids: Tensor) -> Denoiser | None:
    reader = picture_reader(loaded)
    if not canvas.pictures or reader is None:
        return None
    config = loaded.model.config
    inputs = reader.inputs(ids, canvas.pictures)
    return Denoiser(
        Seeing(loaded.model, inputs, (config.image_token_id, config.video_token_id)), loaded.config
    )


def warm_up(loaded: Checkpoint, canvas: Canvas) -> None:
    """One pass over a canvas that nobody reads: memory and kernels are there when the clock starts."""
    if loaded.config.noise == "mask" and not canvas.pictures:  # others are asked in a way of their own
        ids, _, _ = as_tensors([canvas], loaded)
        loaded.denoiser()(ids)


def replies(denoiser: Denoiser, at_work: Sequence[Generation]) -> Iterator[tuple[Generation, Tensor]]:
    """Each request that needs a pass, with the logits for it. They share a batch where they can; one with
    pictures has its passes to itself."""
    of = {generation.run: generation for generation in at_work}
    for own in [g for g in at_work if g.seeing is not None]:
        for run, logits in unmasking.replies(own.seeing, [own.run]):
            yield of[run], logits
    for run, logits in unmasking.replies(denoiser, [g.run for g in at_work if g.seeing is None]):
        yield of[run], logits
