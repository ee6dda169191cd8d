"""BERT, RoBERTa and ModernBERT with their masked-LM heads: encoders that fill masks as they are.

Stock folders. What is left out when reading is what the masked-LM class has not: the pooler and the
next-sentence head of BERT's pre-training. Old folders call a norm's weight and bias gamma and beta.
Unverified: no recorded outputs of a diffusion training of them exist here.
"""

import re
from collections.abc import Collection
from typing import Any, ClassVar

from transformers import CONFIG_MAPPING, PreTrainedConfig

from jobs.models.families.base import Family, needs, official_from_same_keys, stock_from_same_keys
from jobs.models.layout import Place, Shape
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

CLASSES = {"bert": "BertForMaskedLM", "roberta": "RobertaForMaskedLM", "modernbert": "ModernBertForMaskedLM"}
OLD = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


class Bert(Family):
    """Onto itself, masked-LM head."""

    name = "bert"
    layouts = ("stock", "old")
    windows = "keep"  # ModernBERT was trained with windows on both sides
    lora_targets = ("query", "key", "value", "dense")
    ignored = re.compile(r"^(bert|roberta)\.(pooler\.|embeddings\.position_ids$)|^cls\.seq_relationship\.")
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_size": 32},
        **{"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
        **{"max_position_embeddings": 64, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        name = (config.get("architectures") or [""])[0]
        kind = next((kind for kind, known in CLASSES.items() if known == name), None)
        if kind is None or config.get("is_decoder"):
            raise ModelError(f"{name or 'this config'} is no masked-LM encoder; known: {CLASSES.values()}.")
        return stock_from_same_keys(CONFIG_MAPPING[kind], config)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, *CLASSES)
        data = config.to_dict()
        data.pop("is_causal", None)
        own = {"architectures": [CLASSES[config.model_type]], "mask_token_id": diffusion.mask_token_id}
        if config.model_type == "modernbert":
            return {**data, **own}
        return official_from_same_keys(config, **own)

    def place(self, atom: str, shape: Shape, config: PreTrainedConfig, layout: str) -> Place:
        if layout == "old":
            for now, before in OLD.items():
                atom = atom.replace(now, before)
        return Place(atom)

    def layout_of(self, tensors: Collection[str]) -> str:
        return "old" if any(name.endswith("LayerNorm.gamma") for name in tensors) else "stock"

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "mdlm"}
