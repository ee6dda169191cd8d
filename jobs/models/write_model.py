"""Writing a model that is in memory, in our format or a family's, and checking it before it gets its name."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from jobs.models import checkpoint
from jobs.models.bidirectional import later_token_matters
from jobs.models.classes import model_class
from jobs.models.families import Family
from jobs.models.layout import atoms
from jobs.models.tokenizers import load_tokenizer
from jobs.models.weights import fingerprints
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Writing:
    """What is written beside the weights, and how."""

    diffusion: DiffusionConfig
    tokenizer: Tokenizer | None
    accompany: Callable[[Path], None]
    """Puts tokenizer and generation settings into a folder."""
    family: Family | None = None
    """None: our own format."""
    layout: str | None = None
    """None: the family's first."""


def write_model(
    build: Callable[[], PreTrainedModel], what: Writing, target: Path, report: Report
) -> DiffusionConfig:
    """Write the model that `build` makes to `target`: aside, read back, compared, then one rename.

    The model is made here so that it can be let go before the check reads it again: there are never two.
    Raises: ModelError; nothing is kept then.
    """
    aside = checkpoint.begin_folder(target)
    try:
        model = build()
        report("writing", 0.5)
        written = fingerprints(atoms(model))
        if what.family is None:
            model.save_pretrained(aside)
        else:
            checkpoint.write_official(model, what.diffusion, what.family, what.layout, aside)
        what.accompany(aside)
        del model
        report("checking", 0.8)
        check_written(aside, written, what)
        if what.family is None:
            what.diffusion.save(aside)
        checkpoint.finish_folder(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    report("done", 1.0)
    return what.diffusion


def check_written(aside: Path, written: dict[str, str], what: Writing) -> None:
    """Read the new folder and compare it with what was meant; `written` holds the tensors' fingerprints.

    Our own format is read by plain transformers, with nothing of ours between. Raises: ModelError.
    """
    model = _read_back(aside, what.family)
    read = fingerprints(atoms(model))
    changed = sorted(name for name in written.keys() | read.keys() if written.get(name) != read.get(name))
    if changed:
        raise ModelError(
            f"the written model differs from the converted one in {changed[0]}; nothing was kept."
        )
    rows = model.get_input_embeddings().weight.shape[0]
    _check_tokens(aside, rows, what)
    try:
        both_ways = later_token_matters(model, rows)
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - anything may happen in an architecture that was never tried
        raise ModelError(f"{model.config.model_type} cannot run with its causal mask off: {error}") from None
    if not both_ways:
        raise ModelError(
            f"{model.config.model_type} stays causal in transformers even with is_causal off, so it cannot "
            "become a diffusion model here. Choose another source."
        )


def _read_back(aside: Path, family: Family | None) -> PreTrainedModel:
    if family is not None:
        return checkpoint.load_official(aside, family, "auto").eval()
    config = checkpoint.stock_config(aside)
    return model_class(config).from_pretrained(aside, dtype="auto", local_files_only=True).eval()


def _check_tokens(aside: Path, rows: int, what: Writing) -> None:
    mask = what.diffusion.mask_token_id
    kept = True
    if what.tokenizer is not None:
        before, after = what.tokenizer, load_tokenizer(aside, _tokenizer_class(what))
        probe = before.decode(range(0, len(after), -(-len(after) // 64)))
        if after.encode(probe) != before.encode(probe):
            raise ModelError("the tokenizer splits text otherwise after it was written; nothing was kept.")
        kept = after.mask_token_id == before.mask_token_id
    if mask >= rows or not kept:
        raise ModelError(f"the mask token did not survive writing (id {mask} of {rows}); nothing was kept.")


def _tokenizer_class(what: Writing) -> str | None:
    return what.family.tokenizer_class if what.family is not None else None
