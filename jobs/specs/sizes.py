"""How large a model is, from its config.json alone: what an estimate needs, without torch.

Keys have a name in each family; the first that a config has counts. Small tensors (norms, biases) are counted
roughly: tests hold the numbers against the published ones.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from jobs.specs.base import Spec

KEYS: dict[str, tuple[str, ...]] = {
    "hidden": ("hidden_size", "n_embd", "d_model", "hidden_dim"),
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "n_blocks"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads", "n_kv_heads"),
    "inner": ("intermediate_size", "n_inner", "mlp_hidden_size", "dense_intermediate_size"),
    "vocabulary": ("vocab_size", "embedding_size", "tokens"),
    "positions": ("n_positions", "max_position_embeddings"),
    "experts": ("n_routed_experts", "num_experts", "num_local_experts"),
    "chosen": ("num_experts_per_tok",),
    "expert_inner": ("moe_intermediate_size", "expert_intermediate_size"),
    "shared": ("n_shared_experts", "num_shared_experts"),
    "dense_layers": ("first_k_dense_replace",),
}
DEBUG = {"hidden": 32, "layers": 2, "heads": 2, "inner": 48}
"""A family's debug size, as far as a spec does not say otherwise. Experts are left out."""
GPT2 = {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024}
BERT = {**{"vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}}
DEFAULTS: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "bert": {**BERT, "intermediate_size": 3072, "max_position_embeddings": 512},
    "roberta": {**BERT, "intermediate_size": 3072, "max_position_embeddings": 514},
    "modernbert": {**BERT, "vocab_size": 50368, "num_hidden_layers": 22, "intermediate_size": 1152},
}
"""By model_type, for keys that config.json may leave out."""
PLAIN = ("gpt2", "bert", "roberta", "dit", "mdlm", "bd3lm", "sedd")  # two matrices in a feed-forward layer
TABLES = ("gpt2", "bert", "roberta")  # positions are a table
TIED = ("gpt2", "bert", "roberta", "modernbert", "gemma", "gemma2", "gemma3_text")  # head and embeddings
TOWER = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "out_hidden_size": 3584}


class Sizes(Spec):
    """The sizes of a decoder or encoder."""

    hidden: int
    """Numbers in a token's vector."""
    layers: int
    """Layers."""
    heads: int
    """Attention heads."""
    kv_heads: int
    """Heads of keys and values."""
    head_dim: int
    """Numbers in a head."""
    inner: int
    """Numbers inside a feed-forward layer."""
    gated: bool
    """Whether a feed-forward layer has three matrices, not two."""
    vocabulary: int
    """Tokens."""
    tied: bool
    """Whether head and embeddings are one."""
    positions: int = 0
    """Rows of a position table."""
    experts: int = 0
    """Experts in a layer."""
    chosen: int = 0
    """Experts that work on a token."""
    expert_inner: int = 0
    """Numbers inside an expert."""
    shared: int = 0
    """Experts that work on every token."""
    dense_layers: int = 0
    """Layers without experts, in a model with some."""
    vision: int = 0
    """Values of the encoder of pictures, with its merger."""

    @property
    def attention(self) -> int:
        """Values of a layer's attention."""
        return 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)

    def feed_forward(self, inner: int) -> int:
        """Values of a feed-forward layer."""
        return (3 if self.gated else 2) * self.hidden * inner

    @property
    def head(self) -> int:
        """Values of the vocabulary matrix."""
        return self.vocabulary * self.hidden

    def _layers(self, experts: int) -> int:
        sparse = self.layers - self.dense_layers if self.experts else 0
        routed = experts * self.feed_forward(self.expert_inner) + self.hidden * self.experts
        shared = self.feed_forward(self.expert_inner) * self.shared
        dense = (self.layers - sparse) * self.feed_forward(self.inner)
        return self.layers * (self.attention + 4 * self.hidden) + sparse * (routed + shared) + dense

    @property
    def values(self) -> int:
        """All values of the model."""
        tables = self.head * (1 if self.tied else 2) + self.positions * self.hidden
        return self._layers(self.experts) + tables + self.vision

    @property
    def active(self) -> int:
        """Values that a token is multiplied with, the head among them."""
        return self._layers(self.chosen) + self.head

    @property
    def inner_at_work(self) -> int:
        """Numbers inside the feed-forward layer that a token goes through."""
        return (self.chosen + self.shared) * self.expert_inner if self.experts else self.inner


def sizes_of(config: Mapping[str, Any], base: Mapping[str, int] | None = None) -> Sizes | None:
    """The sizes in a config.json, ours or of a family's own format; None where they are not in it.

    `base`: sizes by our names for what the config leaves out.
    """
    inside = next((config[key] for key in ("text_config", "model") if isinstance(config.get(key), dict)), {})
    kind = str(inside.get("model_type") or config.get("model_type") or "")
    kind = "modernbert" if "ModernBert" in str(config.get("architectures")) else kind
    merged = {**DEFAULTS.get(kind, {}), **config, **inside}

    def get(name: str, otherwise: Any = None) -> Any:
        found = next((merged[key] for key in KEYS[name] if merged.get(key) is not None), None)
        return found if found is not None else (base or {}).get(name, otherwise)

    hidden, layers, heads, vocabulary = (get(key) for key in ("hidden", "layers", "heads", "vocabulary"))
    if not all(isinstance(n, int) and n > 0 for n in (hidden, layers, heads, vocabulary)):
        return None
    tied = merged.get("tie_word_embeddings", merged.get("weight_tying", kind in TIED))
    try:
        return Sizes(
            hidden=hidden,
            layers=layers,
            heads=heads,
            kv_heads=get("kv_heads", heads),
            head_dim=merged.get("head_dim") or hidden // heads,
            inner=get("inner", 4 * hidden),
            gated=kind not in PLAIN and "cond_dim" not in merged,
            vocabulary=vocabulary,
            tied=bool(tied),
            positions=get("positions", 0) if kind in TABLES else 0,
            experts=get("experts", 0),
            chosen=get("chosen", 0),
            expert_inner=get("expert_inner", 0),
            shared=get("shared", 0),
            dense_layers=get("dense_layers", 0),
            vision=_tower(config.get("vision_config")),
        )
    except ValidationError:  # sizes that differ from layer to layer stand in lists
        return None


def _tower(config: Any) -> int:
    """Values of a Qwen3-VL vision encoder with its mergers, roughly."""
    if not isinstance(config, dict):
        return 0
    sizes = {**TOWER, **{key: config[key] for key in TOWER if key in config}}
    width, four = sizes["hidden_size"], 4 * sizes["hidden_size"]
    layer = 4 * width**2 + 2 * width * sizes["intermediate_size"]
    mergers = 1 + len(config.get("deepstack_visual_indexes") or (8, 16, 24))
    return sizes["depth"] * layer + mergers * (four**2 + four * sizes["out_hidden_size"])
