"""Reading and writing dLLM checkpoints: a stock transformers folder plus diffusion_config.json."""

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from jobs.diffusion.compiled import CompiledDenoiser, compile_body
from jobs.diffusion.denoiser import Denoiser
from jobs.models.bidirectional import has_windows, make_bidirectional, open_windows
from jobs.models.classes import VISION, model_class
from jobs.models.families import FAMILIES, Family, detect
from jobs.models.images import ImageProcessor, load_images
from jobs.models.layout import arrange, atoms
from jobs.models.official import Source, complain, layout_for, lazily
from jobs.models.shards import Entry, write_shards
from jobs.models.source import CONFIG, locate, read_config
from jobs.models.tokenizers import end_of_turn_id, has_tokenizer, load_tokenizer
from jobs.models.unread import unread
from jobs.models.weights import tensor_names, weight_files
from jobs.protocol.errors import ModelError
from jobs.protocol.folder import PARTIAL, sync_folder, write_json
from jobs.specs.diffusion_config import FILE, DiffusionConfig

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Windows = Literal["keep", "full"]
UNFIT = (OSError, ValueError, RuntimeError, KeyError, AssertionError, ArithmeticError)
"""What transformers and torch raise for weights and a config that do not go together."""


@dataclass
class Checkpoint:
    """A dLLM in memory."""

    model: PreTrainedModel
    tokenizer: Tokenizer | None
    """None only for official folders that came without one."""
    config: DiffusionConfig
    path: Path | None
    """Where it was read from; None for a new model."""
    images: ImageProcessor | None = None
    """How pictures are read, for models that see them."""
    compiled: bool = False
    """Whether the model's body is compiled; see `compile`."""

    def denoiser(self) -> Denoiser:
        return (CompiledDenoiser if self.compiled else Denoiser)(self.model, self.config)

    def compile(self) -> None:
        """Have the model compiled as shapes are met. Raises: ResourceError, ModelError where it cannot be."""
        if self.images is not None or self.config.noise != "mask":
            raise ModelError(f"{self.path or 'This model'} cannot be compiled: set compile to false.")
        compile_body(self.model, self.model.device)
        self.compiled = True

    @property
    def eos_id(self) -> int | None:
        return self.tokenizer.eos_token_id if self.tokenizer is not None else None

    @property
    def eot_id(self) -> int | None:
        """The end-of-turn token, where it is not the end of text."""
        return end_of_turn_id(self.tokenizer) if self.tokenizer is not None else None

    @property
    def pad_id(self) -> int:
        """A token to pad with: pad, else eos, else 0; never the mask."""
        ids = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id) if self.tokenizer is not None else ()
        return next((i for i in ids if i is not None and i != self.config.mask_token_id), 0)


def load(
    path: str | Path,
    dtype: Dtype = "auto",
    device: str = "cpu",
    mask_token_id: int | None = None,
    family: str | None = None,
    weights: bool = True,
) -> Checkpoint:
    """A dLLM checkpoint, in eval mode: our own folder, or an official format (see families).

    dtype "auto" is float32 on a CPU and the checkpoint's own elsewhere. `mask_token_id` is for official
    folders whose config and tokenizer name none, `family` for those that do not say what they are. Without
    `weights`, for which the dtype must be named, they are left unread (see jobs.models.unread).
    Raises: ModelError, naming missing and unexpected tensors, a folder that is no dLLM, an impossible mask.
    """
    folder = locate(path)
    wanted = _dtype(dtype, device)
    if (folder / FILE).is_file():
        diffusion = DiffusionConfig.load(folder)
        tokenizer = load_tokenizer(folder) if has_tokenizer(folder) else None
        model = load_stock(folder, stock_config(folder), wanted, weights)
    else:
        found = official_family(folder, str(path), family)
        if found is None:
            raise ModelError(f"{folder} is not a dLLM checkpoint: it has no {FILE}. Convert it first.")
        tokenizer = official_tokenizer(folder, found)
        diffusion = official_diffusion(folder, str(path), found, tokenizer, mask_token_id)
        mask = diffusion.mask_token_id
        model = load_official(folder, found, wanted, mask_token_id=mask, weights=weights)
    rows = model.get_input_embeddings().weight.shape[0]
    if diffusion.mask_token_id >= rows:
        raise ModelError(
            f"{folder}: mask_token_id {diffusion.mask_token_id} is out of range; the model has {rows} tokens."
        )
    images = load_images(folder) if model.config.model_type in VISION else None
    return Checkpoint(model.to(device).eval(), tokenizer, diffusion, folder, images)


def stock_config(folder: Path) -> PreTrainedConfig:
    """A folder's transformers config. Raises: ModelError."""
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - validation errors of transformers share no better base
        raise unusable(folder, error) from None


def unusable(folder: Path, error: Exception) -> ModelError:
    """What is wrong with a folder's config.json, in transformers' words."""
    return ModelError(f"{folder / CONFIG} cannot be used: {str(error).strip().splitlines()[-1].strip()}")


def load_stock(
    folder: Path, config: PreTrainedConfig, dtype: str | torch.dtype, weights: bool = True
) -> PreTrainedModel:
    """A transformers folder as a bidirectional model; `weights` as in load. Raises: ModelError."""
    weight_files(folder)  # says what is wrong with them more clearly than transformers does
    if not weights:
        return make_bidirectional(unread(config, dtype))
    try:
        model, info = model_class(config).from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # check_loading refuses them, in one sentence
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except UNFIT as error:
        raise ModelError(f"the weights in {folder} do not fit its {CONFIG}: {error}") from None
    check_loading(info, folder)
    return make_bidirectional(model)


def official_family(folder: Path, name: str, asked: str | None = None) -> Family | None:
    """The family of a folder that is not ours: the one asked for, else by its marks or its Hub id `name`.

    Raises: ModelError for a family that is not known.
    """
    if asked is None:
        return detect(read_config(folder), tensor_names(folder), name)
    if asked not in FAMILIES:
        raise ModelError(f"there is no family {asked!r}; there are {', '.join(FAMILIES)}.")
    return FAMILIES[asked]


def official_tokenizer(folder: Path, family: Family) -> Tokenizer | None:
    return load_tokenizer(folder, family.tokenizer_class) if has_tokenizer(folder) else None


def official_config(
    folder: Path, family: Family, windows: Windows | None = None, mask_token_id: int | None = None
) -> tuple[PreTrainedConfig, Windows | None]:
    """(stock config, what became of window layers) of a folder in an official format.

    `windows` says whether they are kept or opened; None does what the family's own code does.
    `mask_token_id`, where it is settled, is for models that never predict it.
    Raises: ModelError.
    """
    raw = read_config(folder)
    try:
        config = family.stock_config(
            raw if mask_token_id is None else {**raw, "mask_token_id": mask_token_id}
        )
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001 - validation errors of transformers share no better base
        raise unusable(folder, error) from None
    if not has_windows(config):
        return config, None
    choice = windows or family.windows
    if choice == "full":
        open_windows(config)
    return config, choice


def official_diffusion(
    folder: Path,
    name: str,
    family: Family,
    tokenizer: Tokenizer | None,
    mask_token_id: int | None,
    windows: Windows | None = None,
) -> DiffusionConfig:
    """The diffusion settings of a folder in an official format; `windows` as in official_config.

    The mask token is the one given, or that of config.json, the tokenizer, the model's class, the family, in
    this order.
    Raises: ModelError where none of them names one, SpecError for settings that make no sense.
    """
    raw = read_config(folder)
    traits = {"mask_token_id": family.mask_token_id, **family.traits(raw)}
    published = traits.pop("mask_token_id")
    config, traits["sliding_window"] = official_config(folder, family, windows)
    rows = config.get_text_config().vocab_size
    named = [mask_token_id, raw.get("mask_token_id"), tokenizer.mask_token_id if tokenizer else None]
    named.append(getattr(config, "mask_token_id", None))
    if published is not None and published < rows:
        named.append(published)
    mask = next((token for token in named if token is not None), None)
    if mask is None:
        raise ModelError(f"{folder}: neither {CONFIG} nor the tokenizer names a mask token.")
    found = {"family": family.name, "mask_token_id": mask, "source": name, **traits}
    return DiffusionConfig.parse(found, where=str(folder / CONFIG))


def load_official(
    folder: Path,
    family: Family,
    dtype: str | torch.dtype,
    windows: Windows | None = None,
    mask_token_id: int | None = None,
    weights: bool = True,
) -> PreTrainedModel:
    """A folder in a family's official format as a bidirectional stock model; `windows` and `mask_token_id`
    as in official_config, `weights` as in load. Raises: ModelError.

    Every tensor is read where it is needed, so that the weights are in memory once.
    """
    config, _ = official_config(folder, family, windows, mask_token_id)
    if not weights:
        return make_bidirectional(unread(config, dtype))
    try:
        source = Source(folder, config, family)
        model, info = model_class(config).from_pretrained(
            None,
            config=config,
            state_dict=lazily(source),
            dtype=source.main_dtype() if dtype == "auto" else dtype,
            output_loading_info=True,
        )
    except UNFIT as error:
        raise ModelError(f"the weights in {folder} do not fit its {CONFIG}: {error}") from None
    check_loading(info, folder)
    return make_bidirectional(model)


def check_loading(info: dict[str, Any], folder: Path) -> None:
    """Nothing may be missing, left over or of another shape: a model that is partly random looks trained."""
    complain(folder, "lack", info.get("missing_keys") or ())
    complain(folder, "have unexpected", info.get("unexpected_keys") or ())
    if info.get("mismatched_keys"):
        name, found, wanted = min(info["mismatched_keys"])
        raise ModelError(f"{folder}: {name} is {tuple(found)}, but {CONFIG} asks for {tuple(wanted)}.")


def save(
    model: PreTrainedModel,
    tokenizer: Tokenizer | None,
    config: DiffusionConfig,
    folder: Path,
    images: ImageProcessor | None = None,
) -> None:
    """Write a checkpoint: everything aside, diffusion_config.json last, then one rename.

    Whoever is killed in between leaves a `.partial-` folder and the old checkpoint, if there was one.
    Raises: ModelError if `folder` holds something else than a checkpoint.
    """
    aside = begin_folder(folder)
    try:
        make_bidirectional(model).save_pretrained(aside)
        if tokenizer is not None:
            tokenizer.save_pretrained(aside)
        if images is not None:
            images.save(aside)
        config.save(aside)
        finish_folder(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def export(checkpoint: Checkpoint, family_name: str, folder: Path, layout: str | None = None) -> None:
    """Write a checkpoint in a family's official format, without diffusion_config.json.

    `layout` is one of the family's; None: its first.
    Raises: ModelError if the family cannot hold this model.
    """
    aside = begin_folder(folder)
    try:
        write_official(checkpoint.model, checkpoint.config, FAMILIES[family_name], layout, aside)
        if checkpoint.tokenizer is not None:
            checkpoint.tokenizer.save_pretrained(aside)
        if checkpoint.images is not None:
            checkpoint.images.save(aside)
        finish_folder(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def write_official(
    model: PreTrainedModel, diffusion: DiffusionConfig, family: Family, layout: str | None, folder: Path
) -> None:
    """config.json and weights of a model in a family's official format, into a folder that is there.

    Raises: ModelError if the family cannot hold this model.
    """
    config = family.official_config(model.config, diffusion)
    tensors = atoms(model)
    place = layout_for(family, model.config, layout or family.layouts[0])
    stored = arrange({name: tuple(tensor.shape) for name, tensor in tensors.items()}, place)
    entries = [Entry(t.name, t.shape, tensors[t.parts[0][0]].dtype) for t in stored.values()]
    write_shards(folder, entries, lambda name: stored[name].build(lambda a: tensors[a].detach().cpu()))
    write_json(folder / CONFIG, config)


def begin_folder(folder: Path, ours: bool = False) -> Path:
    """A new empty folder beside `folder`, to be filled and then given to `finish_folder`.

    `ours`: what is there is the result of the same run, whatever it holds.
    Raises: ModelError if `folder` exists and is no dLLM checkpoint, for it will be replaced.
    """
    if folder.exists() and not ours and not _replaceable(folder):
        raise ModelError(f"{folder} exists and is no checkpoint; choose another place.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(f".{folder.name}{PARTIAL}*"):
        shutil.rmtree(old, ignore_errors=True)  # left by one who was killed
    aside = folder.parent / f".{folder.name}{PARTIAL}{uuid.uuid4().hex[:8]}"
    aside.mkdir()
    return aside


def _replaceable(folder: Path) -> bool:
    """An empty folder, or a dLLM, even one that lost its diffusion_config.json. Never a source model."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return folder.is_dir()
    try:
        damaged = read_config(folder).get("is_causal") is False
    except ModelError:
        damaged = False
    return damaged or (folder / FILE).is_file()


def finish_folder(aside: Path, folder: Path) -> None:
    """Put the finished `aside` in the place of `folder`, once it is on the disk."""
    sync_folder(aside)
    old = aside.with_name(aside.name + "-old")
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _dtype(dtype: Dtype, device: str) -> str | torch.dtype:
    if dtype != "auto":
        return getattr(torch, dtype)
    return torch.float32 if device == "cpu" else "auto"
