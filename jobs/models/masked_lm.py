"""Encoders with a masked-LM head, taking `logits_to_keep` as the decoders do.

transformers' own classes compute the logits of every position; training needs those at the masked ones only.
The class names are transformers', so that a saved config.json names stock classes.
"""

from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers.modeling_outputs import MaskedLMOutput


def keep(hidden: Tensor, which: int | Tensor) -> Tensor:
    """The wanted positions of hidden [B, L, D]: an int counts from the end (0: all), a vector of ints names
    positions, a boolean [B, L] selects and flattens."""
    if isinstance(which, int):
        return hidden[:, -which:] if which else hidden
    return hidden[which] if which.dtype == torch.bool else hidden[:, which]


class _Kept:
    """forward() with logits_to_keep, over a class's backbone and its `_head`."""

    base_model: nn.Module

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        use_cache: bool | None = None,
        **options: Any,
    ) -> MaskedLMOutput:
        """Logits [B, W, V], or [N, V] for a boolean mask. There is no cache to use."""
        if position_ids is not None:
            position_ids = position_ids + self._first_position()
        hidden = self.base_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            **options,
        )[0]
        return MaskedLMOutput(logits=self._head(keep(hidden, logits_to_keep)))

    def _first_position(self) -> int:
        return 0

    def _head(self, hidden: Tensor) -> Tensor:
        raise NotImplementedError


class BertForMaskedLM(_Kept, transformers.BertForMaskedLM):
    def _head(self, hidden: Tensor) -> Tensor:
        return self.cls(hidden)


class RobertaForMaskedLM(_Kept, transformers.RobertaForMaskedLM):
    def _first_position(self) -> int:
        return self.config.pad_token_id + 1  # RoBERTa's table starts there

    def _head(self, hidden: Tensor) -> Tensor:
        return self.lm_head(hidden)


class ModernBertForMaskedLM(_Kept, transformers.ModernBertForMaskedLM):
    def _head(self, hidden: Tensor) -> Tensor:
        return self.decoder(self.head(hidden))


MASKED_LM = {
    "bert": BertForMaskedLM,
    "roberta": RobertaForMaskedLM,
    "modernbert": ModernBertForMaskedLM,
}
