"""A vision model with its pictures before its eyes: a model of ids again, for denoisers and samplers.

Shapes: B rows, L positions, P patches of all pictures, D numbers in a patch, G pictures.
"""

from typing import Any

import torch
from torch import Tensor, nn


class Seeing(nn.Module):
    """`Denoiser(Seeing(model, inputs, token), config)` fills canvases that hold image tokens.

    It takes no position ids: the model counts its own, three-dimensional ones, from the attention mask. It
    keeps no cache. A token that stands for a picture is never written, for there would be no picture for it.
    """

    def __init__(self, model: nn.Module, inputs: dict[str, Tensor], never: tuple[int, ...]):
        """`inputs` are those of jobs.data.images.PictureReader.inputs: pixel_values [P, D], image_grid_thw
        [G, 3], mm_token_type_ids [B, L]. `never`: the tokens for pictures, the images' first."""
        super().__init__()
        self.model = model
        self.config = model.config
        self.inputs = inputs
        self.never = never

    def get_output_embeddings(self) -> nn.Module:
        return self.model.get_output_embeddings()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        use_cache: bool | None = None,
    ) -> Any:
        """The model's output for ids [B, L] whose rows hold the pictures in their order. Rows may have them
        hidden, as guidance does, or be there twice: their pictures are then left out or repeated."""
        shown = (input_ids == self.never[0]).int()
        expected = int((self.inputs["mm_token_type_ids"] == 1).sum())
        times, rest = divmod(int(shown.sum()), expected)
        if rest:
            raise ValueError("the rows hold a part of the pictures only")
        pictures = {
            name: self.inputs[name].repeat(times, 1).to(input_ids.device)
            for name in ("pixel_values", "image_grid_thw")
        }
        out = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            logits_to_keep=logits_to_keep,
            use_cache=use_cache,
            **({**pictures, "mm_token_type_ids": shown} if times else {}),
        )
        # finite, for guidance takes differences of logits
        out.logits[..., list(self.never)] = torch.finfo(out.logits.dtype).min / 4
        return out
