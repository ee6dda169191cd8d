"""A LoRA adapter's folder, as peft writes it, as the source of a conversion: its base model, and merging.

Adapters on the modules of a stock class are put on the model and merged by peft itself, with all that it
can do: DoRA, trained experts (target_parameters), embeddings trained whole (modules_to_save). Adapters that
were trained on a family's own code name its modules (LLaDA's ff_proj, LLaDA2's joined query_key_value, single
experts); their products are added where the family's names say.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftConfig, get_peft_model
from peft.utils import set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from jobs.models.embeddings import give_row, untie_if_different
from jobs.models.families import Family
from jobs.models.layout import atoms
from jobs.models.official import complain, layout_for
from jobs.models.source import ADAPTER, ADAPTER_WEIGHTS, locate
from jobs.models.tokenizers import has_tokenizer, load_tokenizer
from jobs.protocol.errors import ModelError

PREFIX = "base_model.model."
PLAIN = {
    **{"use_dora": False, "bias": "none", "fan_in_fan_out": False, "lora_bias": False},
    **{"target_parameters": None, "modules_to_save": None, "alpha_pattern": {}, "rank_pattern": {}},
}
"""What an adapter on a family's own modules may be; peft merges all others, but on stock modules only."""


@dataclass(frozen=True)
class Adapter:
    """An adapter before its weights are read."""

    folder: Path
    base: str
    """Its base model: a folder or a Hub id."""
    config: LoraConfig

    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer that was saved with it: it may have tokens that the base has not."""
        return load_tokenizer(self.folder) if has_tokenizer(self.folder) else None

    def merge(self, model: PreTrainedModel, family: Family | None) -> PreTrainedModel:
        """The plain model with the adapter in its weights. `family`: that of the base's folder, None: ours.

        Raises: ModelError naming what fits no module of the model.
        """
        weights = self._read()
        modules = {key.rpartition(".lora_A")[0].removeprefix(PREFIX) for key in weights if ".lora_A" in key}
        stock = {name for name, _ in model.named_modules()}
        if {name.replace(".base_layer", "") for name in modules} <= stock:
            return self._merge_by_peft(model, weights)
        self._add_by_names(model, family, weights)
        return model

    def _read(self) -> dict[str, Tensor]:
        file = self.folder / ADAPTER_WEIGHTS
        if not file.is_file():
            raise ModelError(f"{self.folder} has no {ADAPTER_WEIGHTS}; pickled adapters are not read.")
        try:
            weights = load_file(file)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{file} is broken: {error}. Copy it again.") from None
        whole = ".modules_to_save."  # peft writes an embedding twice if the vocabulary has grown
        return {
            key: w for key, w in weights.items() if whole not in key or key.replace(whole, ".") not in weights
        }

    def _merge_by_peft(self, model: PreTrainedModel, weights: dict[str, Tensor]) -> PreTrainedModel:
        self._grow(model, weights)
        self.config.task_type = None  # a causal-LM task type would wrap generate(), which a dLLM has not got
        try:
            wrapped = get_peft_model(model, self.config)
            result = set_peft_model_state_dict(wrapped, weights)
        except (ValueError, RuntimeError) as error:
            first = str(error).strip().splitlines()
            raise ModelError(f"{self.folder} does not fit {self.base}: {' '.join(first[:2])}") from None
        own = (".lora_", ".modules_to_save.")
        complain(self.folder, "lack", [k for k in result.missing_keys if any(part in k for part in own)])
        complain(self.folder, "have unexpected", result.unexpected_keys)
        merged = wrapped.merge_and_unload(safe_merge=True)
        untie_if_different(merged)
        return merged

    def _grow(self, model: PreTrainedModel, weights: dict[str, Tensor]) -> None:
        """A row for each token that was added before the adapter was trained."""
        embedding = model.get_input_embeddings()
        name = next(name for name, module in model.named_modules() if module is embedding)
        saved = weights.get(f"{PREFIX}{name}.weight")
        if saved is not None and len(saved) > len(embedding.weight):
            give_row(model, len(saved) - 1, len(saved))

    @torch.no_grad()
    def _add_by_names(
        self, model: PreTrainedModel, family: Family | None, weights: dict[str, Tensor]
    ) -> None:
        """W += scale B A for each atom, at its place in the module that the family's own code has."""
        for key, plain in PLAIN.items():
            if getattr(self.config, key, plain) not in (plain, None):
                raise ModelError(
                    f"{self.folder} was trained on modules that the stock model has not, with {key} = "
                    f"{getattr(self.config, key)!r}; only plain LoRA can be merged by the family's names."
                )
        place = layout_for(family, model.config, family.layouts[0] if family is not None else "separate")
        left = {key.removeprefix(PREFIX) for key in weights}
        for atom, tensor in atoms(model).items():
            where = place(atom, tuple(tensor.shape))
            module = where.name.removesuffix(".weight")
            down, up = f"{module}.lora_A.weight", f"{module}.lora_B.weight"
            if PREFIX + down in weights and PREFIX + up in weights:
                product = weights[PREFIX + up].float() @ weights[PREFIX + down].float()
                rank = len(weights[PREFIX + down])
                scale = self.config.lora_alpha / (math.sqrt(rank) if self.config.use_rslora else rank)
                tensor += (scale * product)[where.index or ...].to(tensor.dtype)
                left -= {down, up}
        complain(self.folder, "have unexpected", left)


def open_adapter(source: str, base: str | None) -> Adapter | None:
    """The adapter that a folder or Hub id holds, None where it holds a model. `base` overrides the folder's.

    Raises: ModelError for adapters of another kind, and where nobody names the base.
    """
    folder = locate(source)
    if not (folder / ADAPTER).is_file():
        return None
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError(f"{folder / ADAPTER} cannot be used: {str(error).splitlines()[0]}") from None
    if not isinstance(config, LoraConfig):
        raise ModelError(f"{folder} is no LoRA adapter but {config.peft_type}; only LoRA can be merged.")
    named = base or config.base_model_name_or_path
    if not named:
        raise ModelError(f"{folder / ADAPTER} does not name the base model; give it as lora_base.")
    try:
        locate(named)
    except ModelError as error:
        hint = "" if base else " Give the base model as lora_base."
        raise ModelError(
            f"{folder} is a LoRA adapter on {named}, which was not found: {error}{hint}"
        ) from None
    return Adapter(folder, named, config)
