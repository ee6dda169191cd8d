"""A new dLLM with random weights, on a stock transformers class or in a family's debug size."""

import difflib
from dataclasses import fields, replace
from typing import Any

import torch
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, GPT2LMHeadModel, PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from jobs.models.bidirectional import make_bidirectional, switch_off_causality
from jobs.models.checkpoint import Checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import give_mask_token, load_tokenizer
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig, GridShape
from jobs.specs.job import NewModelSpec

OURS = ("vocab_size", "is_causal", "bos_token_id", "eos_token_id", "pad_token_id", "architectures")


def create(spec: NewModelSpec, seed: int) -> Checkpoint:
    """Random weights from `seed`; vocabulary size and special tokens from the tokenizer. float32, eval mode.

    Raises: SpecError for an unknown architecture or config key, ModelError for the tokenizer.
    """
    tokenizer = load_tokenizer(spec.tokenizer)
    mask_id, _ = give_mask_token(tokenizer, None)
    if spec.family is not None:
        made = debug_checkpoint(spec.family, tokenizer, seed, spec.config)
        told = {"sampler": spec.sampler, "note": spec.note}
        return replace(made, config=made.config.model_copy(update=told))
    config = _config(spec, tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)](config)
        if spec.grid is not None:
            start_as_grid(model, spec.grid)
    diffusion = DiffusionConfig(
        mask_token_id=mask_id,
        task="text" if spec.grid is None else "grid",
        grid=spec.grid,
        sampler=spec.sampler,
        source="random weights",
        note=spec.note,
    )
    make_bidirectional(model)
    return Checkpoint(model.eval(), tokenizer, diffusion, None)


def _config(spec: NewModelSpec, tokenizer: Tokenizer) -> PreTrainedConfig:
    kinds = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) - set(MODEL_FOR_MASKED_LM_MAPPING_NAMES)  # no encoders
    if spec.architecture not in kinds:
        near = difflib.get_close_matches(spec.architecture, kinds, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else " Examples: gpt2, llama, qwen2, qwen3."
        raise SpecError(
            f"architecture {spec.architecture!r} is no causal language model of transformers.{hint}"
        )
    cls = CONFIG_MAPPING[spec.architecture]
    known = {f.name for f in fields(cls)} | set(cls.attribute_map)
    for key in spec.config:
        if key in OURS:
            raise SpecError(f"config.{key} is set by the tokenizer and the studio; leave it out.")
        if key not in known:  # transformers itself would take it in silence
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SpecError(f"config.{key} is no key of {spec.architecture}.{hint}")
    special: dict[str, Any] = {
        f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("bos", "eos", "pad")
    }
    options = dict(spec.config)
    cells = spec.grid.rows * spec.grid.columns if spec.grid is not None else 0
    if cells and not {"n_positions", "max_position_embeddings"} & set(options):
        options["max_position_embeddings"] = cells
    try:
        config = cls(**options, **special, vocab_size=len(tokenizer))
    except Exception as error:  # noqa: BLE001 - validation errors of transformers share no better base
        raise SpecError(f"config of {spec.architecture}: {str(error).strip().splitlines()[-1]}") from None
    if cells and spec.architecture != "gpt2":
        raise SpecError(
            f"grid needs architecture gpt2, which has a position table; {spec.architecture} has none."
        )
    if cells > config.max_position_embeddings:
        raise SpecError(
            f"the grid has {cells} cells, but config.max_position_embeddings is "
            f"{config.max_position_embeddings}; raise it or leave it out."
        )
    switch_off_causality(config)
    return config


@torch.no_grad()
def start_as_grid(model: torch.nn.Module, grid: GridShape) -> None:
    """Let a GPT-2 begin with the geometry of a grid: the position table is the sum of N(0, 1) row, column and
    box vectors, the token table is N(0, 1).

    Without it small sudoku models stay on the entropy plateau for many times longer, for they must first find
    out which cells share a row. The tables are trained like any other weights afterwards.
    """
    if not isinstance(model, GPT2LMHeadModel):
        raise SpecError("grid needs architecture gpt2, which has a position table.")
    boxes_across = -(-grid.columns // grid.box_columns)
    boxes_down = -(-grid.rows // grid.box_rows)
    width = model.config.n_embd
    row_RH = torch.randn(grid.rows, width)
    column_CH = torch.randn(grid.columns, width)
    box_XH = torch.randn(boxes_across * boxes_down, width)
    cell = torch.arange(grid.rows * grid.columns)
    row, column = cell // grid.columns, cell % grid.columns
    box = row // grid.box_rows * boxes_across + column // grid.box_columns
    model.transformer.wpe.weight[: len(cell)] = row_RH[row] + column_CH[column] + box_XH[box]
    model.transformer.wte.weight.normal_(0, 1)
