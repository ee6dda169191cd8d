"""DiffuLLaMA (diffusionfamily/diffullama): Llama 2, shifted, mask token 811 (an existing one).

On the Hub it is a plain LlamaForCausalLM folder, which nothing but its id tells from any other Llama; the
training code's wrapper writes embed_tokens, denoise_model.* and lm_head. Both are verified against
HKUNLP/DiffuLLaMA's code (tests/golden, diffullama_logits).
"""

from collections.abc import Collection
from typing import Any, ClassVar

from transformers import LlamaConfig, PreTrainedConfig

from jobs.models.families.base import Family, needs, official_from_same_keys, stock_from_same_keys
from jobs.models.layout import Place, Shape
from jobs.specs.diffusion_config import DiffusionConfig


class DiffuLLaMA(Family):
    """Onto Llama."""

    name = "diffullama"
    layouts = ("plain", "wrapped")
    mask_token_id = 811
    debug: ClassVar[dict[str, Any]] = {
        **{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32},
        **{"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
        **{"max_position_embeddings": 64, "initializer_range": 0.2},
    }

    def stock_config(self, config: dict[str, Any]) -> PreTrainedConfig:
        return stock_from_same_keys(LlamaConfig, config)

    def official_config(self, config: PreTrainedConfig, diffusion: DiffusionConfig) -> dict[str, Any]:
        needs(config, self, "llama")
        return official_from_same_keys(
            config, architectures=["LlamaForCausalLM"], mask_token_id=diffusion.mask_token_id
        )

    def place(self, atom: str, shape: Shape, config: PreTrainedConfig, layout: str) -> Place:
        if layout == "plain":
            return Place(atom)
        if atom == "model.embed_tokens.weight":
            return Place("embed_tokens.weight")
        return Place(atom.replace("model.", "denoise_model.", 1))

    def layout_of(self, tensors: Collection[str]) -> str:
        return "wrapped" if "embed_tokens.weight" in tensors else "plain"

    def traits(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"objective": "ddm", "shifted_logits": True}
