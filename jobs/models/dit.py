"""The DiT of MDLM, BD3-LM and SEDD: the one language model here that transformers has no class for.

A transformer over the whole text with rotary positions, whose norms and residual branches may be scaled by a
condition computed from the noise level ("adaptive layer norm", Peebles and Xie 2022, arXiv 2212.09748). Read:
louaaron/Score-Entropy-Discrete-Diffusion model/transformer.py, kuleshov-group/mdlm models/dit.py and
kuleshov-group/bd3lms models/hf/modeling_bd3lm.py, which differ in names and in three switches (DiTConfig).
Attention goes through transformers' kernels, so masks and implementations mean what they mean elsewhere.

Shapes: B rows, L positions, D hidden size, H heads, C size of the condition, V vocabulary, mask included.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from jobs.models.masked_lm import keep
from jobs.protocol.errors import ModelError

ROTARY_BASE = 10_000
TIME_FREQUENCIES = 256  # numbers that a noise level is spread out into
NEVER = -3e4  # a logit whose probability is 0 in every number format, and which every format can hold
MOST_MASKED = 1 - 1e-3  # 1 - e^-sigma at time 1 of the log-linear noise (SEDD noise_lib.py, eps)
LEAST_MASKED = 1e-3 * MOST_MASKED  # and at the first time that is trained (losses.py, sampling_eps)

Rotary = tuple[Tensor, Tensor]


class DiTConfig(PreTrainedConfig):
    """The sizes of a DiT, and what the three families do differently."""

    model_type = "studio_dit"

    vocab_size: int = 50258
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    cond_dim: int = 128
    max_position_embeddings: int = 1024
    dropout: float = 0.1
    adaln: bool = True
    """Whether there is a condition at all."""
    time_conditioning: bool = False
    """Whether the condition is the noise level (SEDD) or that of no noise, always the same (MDLM, BD3-LM)."""
    mask_token_id: int = 50257
    """The token that is never predicted."""
    initializer_range: float | None = None
    """None: random weights begin as the authors' do, every layer an identity and all logits 0."""
    is_causal: bool = False
    use_cache: bool = False
    tie_word_embeddings: bool = False


class ZeroLinear(nn.Linear):
    """A linear layer whose random start is zero."""


class Head(ZeroLinear):
    """The vocabulary matrix, with the mask token's logit held at NEVER: the authors add as much to it before
    the softmax (MDLM's SUBS rules), so its row was never trained."""

    def __init__(self, config: DiTConfig):
        super().__init__(config.hidden_size, config.vocab_size)
        self.mask_token_id = config.mask_token_id

    @property
    def bias_used(self) -> Tensor:
        """[V] what is added to the product; jobs.diffusion.masked_head reads it as well."""
        bias = self.bias.clone()
        bias[self.mask_token_id] = NEVER
        return bias

    def forward(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.weight, self.bias_used)


class DiTLayer(GradientCheckpointingLayer):
    """Attention and a feed-forward network, shifted, scaled and gated by the condition if there is one."""

    def __init__(self, config: DiTConfig, index: int):
        super().__init__()
        self.config = config
        self.layer_idx = index
        self.is_causal = False
        self.head_dim = config.hidden_size // config.num_attention_heads
        width = config.hidden_size
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.qkv_proj = nn.Linear(width, 3 * width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width, bias=False)
        self.up_proj = nn.Linear(width, 4 * width)
        self.down_proj = nn.Linear(4 * width, width)
        self.modulation = ZeroLinear(config.cond_dim, 6 * width) if config.adaln else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        mask: Any,
        rotary: Rotary,
        condition: Tensor | None,
        cache: Cache | None,
        **options: Any,
    ) -> Tensor:
        """x [B, L, D] -> [B, L, D]. condition [B or 1, C]."""
        if self.modulation is None or condition is None:
            x = x + self.dropout(self._attend(self.attention_norm(x), mask, rotary, cache, **options))
            return x + self.dropout(self._think(self.mlp_norm(x)))
        parts = self.modulation(condition)[:, None].chunk(6, dim=-1)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = parts
        inner = modulate(self.attention_norm(x), shift_a, scale_a)
        x = x + gate_a * self.dropout(self._attend(inner, mask, rotary, cache, **options))
        inner = modulate(self.mlp_norm(x), shift_m, scale_m)
        return x + gate_m * self.dropout(self._think(inner))

    def _attend(self, x: Tensor, mask: Any, rotary: Rotary, cache: Cache | None, **options: Any) -> Tensor:
        # 1. [B, L, 3 D] -> three times [B, H, L, D / H]: q, k and v one after the other, heads within each.
        split = self.qkv_proj(x).unflatten(-1, (3, -1, self.head_dim))
        query, key, value = (part.transpose(1, 2) for part in split.unbind(2))
        # 2. Positions turn queries and keys.
        query, key = rotate(query, rotary), rotate(key, rotary)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        # 3. transformers' kernels take it from here; they return [B, L, H, D / H].
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        scaling = self.head_dim**-0.5
        out, _ = attend(self, query, key, value, mask, dropout=0.0, scaling=scaling, **options)
        return self.o_proj(out.flatten(2))

    def _think(self, x: Tensor) -> Tensor:
        return self.down_proj(F.gelu(self.up_proj(x), approximate="tanh"))


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale) + shift


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """x [B, H, L, D / H] turned by its positions: number i and number i + half of a head are a pair."""
    cos, sin = rotary
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def rotary_angles(positions: Tensor, head_dim: int, dtype: torch.dtype) -> Rotary:
    """Cosines and sines [B or 1, 1, L, head_dim] for positions [B or 1, L]. In float32: in bfloat16 far
    positions would fall together."""
    places = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
    angles = positions[..., None].float() * ROTARY_BASE ** (-places / head_dim)
    angles = torch.cat([angles, angles], dim=-1)[:, None]
    return angles.cos().to(dtype), angles.sin().to(dtype)


def time_features(sigma: Tensor) -> Tensor:
    """[B, 256] cosines and sines of noise levels [B] at frequencies from 1 down to 1e-4."""
    half = TIME_FREQUENCIES // 2
    steps = torch.arange(half, device=sigma.device, dtype=torch.float32) / half
    angles = sigma.float()[:, None] * torch.exp(-math.log(10_000) * steps)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Attention written out; `mask` is additive. -> ([B, L, H, D / H], weights [B, H, L, S])."""
    scores = query @ key.transpose(2, 3) * scaling
    if mask is not None:
        scores = scores + mask
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2), weights


def noise_level(masked: Tensor, real: Tensor) -> Tensor:
    """sigma [B] of rows with these masks, both [B, L] bool: 1 - e^-sigma is the share of real tokens that are
    masked, for that is the chance of a mask under absorbing noise (Lou et al. 2024, arXiv 2310.16834)."""
    share = (masked & real).sum(1) / real.sum(1).clamp(min=1)
    return -torch.log1p(-share.clamp(LEAST_MASKED, MOST_MASKED))


class DiTForMaskedLM(PreTrainedModel):
    """logits [B, L, V] of p(x_0 | x_t) at every position.

    A model with `time_conditioning` takes `sigma` [B], the total noise of each row. Left out, it is read from
    the share of masks among the row's tokens.
    """

    config_class = DiTConfig
    base_model_prefix = ""
    supports_gradient_checkpointing = True
    _no_split_modules = ("DiTLayer",)
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: DiTConfig):
        super().__init__(config)
        width = config.hidden_size
        self.embed_tokens = nn.Embedding(config.vocab_size, width)
        if config.adaln:
            self.time_in = nn.Linear(TIME_FREQUENCIES, config.cond_dim)
            self.time_out = nn.Linear(config.cond_dim, config.cond_dim)
        self.layers = nn.ModuleList(DiTLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(width, bias=False)
        self.modulation = ZeroLinear(config.cond_dim, 2 * width) if config.adaln else None
        self.lm_head = Head(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.embed_tokens = value

    def get_output_embeddings(self) -> Head:
        return self.lm_head

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Any = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        sigma: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        use_cache: bool | None = None,
        **options: Any,
    ) -> CausalLMOutputWithPast:
        """Logits [B, L, V], or of the positions `logits_to_keep` (see masked_lm.keep).

        attention_mask: [B, S] with 0 at padding, or whatever jobs.diffusion.attention.form gives. A cache is
        written if one is given, none is ever made.
        Raises: ModelError where the noise level is wanted and a cache hides a part of the masks.
        """
        x = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        # 1. What every layer shares: the mask, the angles of the positions, the condition.
        mask = create_bidirectional_mask(self.config, x, attention_mask, past_key_values=past_key_values)
        if position_ids is None:
            start = past_key_values.get_seq_length() if past_key_values is not None else 0
            position_ids = torch.arange(start, start + x.shape[1], device=x.device)[None]
        head_dim = self.config.hidden_size // self.config.num_attention_heads
        rotary = rotary_angles(position_ids, head_dim, x.dtype)
        if self.config.adaln and self.config.time_conditioning and sigma is None:
            if past_key_values is not None:
                raise ModelError(
                    "This model reads the noise level from all masks of a text, and a cache hides some: "
                    "set use_cache to none."
                )
            sigma = self._noise_level(input_ids, inputs_embeds, attention_mask)
        condition = self._condition(sigma)
        # 2. The layers, then the last norm, and the vocabulary only where it is wanted.
        for layer in self.layers:
            x = layer(x, mask, rotary, condition, past_key_values, **options)
        x = self.norm(x)
        if self.modulation is not None:
            x = modulate(x, *self.modulation(condition)[:, None].chunk(2, dim=-1))
        logits = self.lm_head(keep(x, logits_to_keep))
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)

    def _condition(self, sigma: Tensor | None) -> Tensor | None:
        """[B, C], or [1, C] without time conditioning: the condition of no noise for all."""
        if not self.config.adaln:
            return None
        if sigma is None or not self.config.time_conditioning:
            sigma = torch.zeros(1, device=self.time_in.weight.device)
        features = time_features(sigma.reshape(-1)).to(self.time_in.weight.dtype)
        return F.silu(self.time_out(F.silu(self.time_in(features))))

    def _noise_level(
        self, input_ids: Tensor | None, inputs_embeds: Tensor | None, attention_mask: Any
    ) -> Tensor:
        mask_id = self.config.mask_token_id
        if input_ids is not None:
            masked = input_ids == mask_id
        else:
            masked = (inputs_embeds == self.embed_tokens.weight[mask_id]).all(-1)
        padded = isinstance(attention_mask, Tensor) and attention_mask.shape == masked.shape
        return noise_level(masked, attention_mask.bool() if padded else torch.ones_like(masked))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
        elif isinstance(module, nn.Linear):
            if std is not None:
                init.normal_(module.weight, 0.0, std)
            elif isinstance(module, ZeroLinear):
                init.zeros_(module.weight)
            else:
                init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            if std is not None:
                init.normal_(module.weight, 0.0, std)
            else:
                init.kaiming_uniform_(module.weight, a=math.sqrt(5))


AutoConfig.register(DiTConfig.model_type, DiTConfig, exist_ok=True)
