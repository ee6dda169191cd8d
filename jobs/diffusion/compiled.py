"""A compiled model as a denoiser: passes of a few fixed shapes, so that torch.compile makes few programs.

The model's body is compiled, its head is not: it is asked about other positions in every step. On a GPU the
body's kernels are recorded as a CUDA graph. Passes that read from a cache go as they are: their shapes change
with every step.

Shape suffixes: B rows, L positions of the canvas.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._inductor import exc as inductor
from torch._inductor.cpp_builder import get_cpp_compiler
from torch.utils._triton import has_triton

from jobs.diffusion.denoiser import Denoiser
from jobs.protocol.errors import ModelError, ResourceError

BUCKET = 64  # canvases are padded to a multiple of it
MOST_SHAPES = 256  # that are kept compiled; torch's own limit is 8, past which it stops compiling


def compile_body(model: nn.Module, where: torch.device) -> None:
    """Have the model's body compiled when a shape is first met (seconds each).

    Raises: ResourceError where this machine cannot compile; ModelError for a model without a body of its own.
    """
    check_compiler(where)
    body = getattr(model, "base_model", model)
    if body is model:
        raise ModelError(
            f"{type(model).__name__} has no body apart from its head, so it cannot be compiled: "
            "set compile to false."
        )
    torch._dynamo.config.recompile_limit = MOST_SHAPES
    mode = "reduce-overhead" if where.type == "cuda" else "default"
    body.compile(dynamic=False, mode=mode)


def check_compiler(where: torch.device) -> None:
    """Raises: ResourceError, which says what is missing."""
    if where.type == "cuda" and not has_triton():
        raise ResourceError("torch.compile needs Triton for this GPU: install it, or set compile to false.")
    try:
        get_cpp_compiler()
    except (inductor.InvalidCxxCompiler, inductor.CppCompileError):
        raise ResourceError(
            "torch.compile needs a C++ compiler, and there is none here: install g++, or set "
            "compile to false."
        ) from None


class CompiledDenoiser(Denoiser):
    """The denoiser of a model whose body is compiled. Canvases are padded to a multiple of BUCKET positions
    and a power of two of rows; what is added is hidden, and taken off the answer."""

    def __call__(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        at: Tensor | slice | None = None,
        *,
        feed: slice | None = None,
        cache: Any = None,
        blocks: Tensor | None = None,
        sigma: Tensor | None = None,
    ) -> Tensor:
        if cache is not None or feed is not None:
            with torch.compiler.set_stance("force_eager"):
                return super().__call__(
                    ids, attention_mask, at, feed=feed, cache=cache, blocks=blocks, sigma=sigma
                )
        rows, length = ids.shape
        at = at if isinstance(at, Tensor) else torch.arange(length, device=ids.device)[at or slice(None)]
        ids, mask = self._padded(ids, attention_mask)
        if blocks is not None:
            last = F.pad(blocks, (0, ids.shape[1] - length), mode="replicate")
            blocks = _more_rows(last, len(ids)) if len(blocks) > 1 else last
        sigma = sigma if sigma is None else _more_rows(sigma, len(ids))
        _next_pass(ids)
        return super().__call__(ids, mask, at, blocks=blocks, sigma=sigma)[:rows]

    def selected(self, ids: Tensor, attention_mask: Tensor | None, wanted: Tensor) -> Tensor:
        length = ids.shape[1]
        ids, mask = self._padded(ids, attention_mask)
        wanted = F.pad(wanted, (0, ids.shape[1] - length, 0, len(ids) - len(wanted)))
        _next_pass(ids)
        return super().selected(ids, mask, wanted)

    def _padded(self, ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """The canvases and their mask at a shape that is compiled once; rows are added as copies."""
        rows, length = ids.shape
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        size = -(-length // BUCKET) * BUCKET
        size = size if limit is None else max(length, min(size, limit))
        mask = torch.ones_like(ids) if attention_mask is None else attention_mask.long()
        many = 1 << (rows - 1).bit_length()
        room = (0, size - length)
        return _more_rows(F.pad(ids, room), many), _more_rows(F.pad(mask, room), many)


def _more_rows(rows: Tensor, many: int) -> Tensor:
    """Filled up with copies of the first row."""
    return torch.cat([rows, rows[:1].expand(many - len(rows), *rows.shape[1:])])


def _next_pass(ids: Tensor) -> None:
    """A CUDA graph may write over what its last run gave."""
    if ids.is_cuda:
        torch.compiler.cudagraph_mark_step_begin()
