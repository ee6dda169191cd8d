"""Rows of the vocabulary matrices: one for a new token, and whether the two matrices are one."""

import torch
from transformers import PreTrainedModel


@torch.no_grad()
def give_row(model: PreTrainedModel, token: int, vocabulary: int) -> None:
    """Make sure `token` has a row in the embedding and the vocabulary matrix, and set it to the mean row.

    A mean row is near nothing in particular and has the right scale. Tied matrices stay tied.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    if token >= rows:
        model.resize_token_embeddings(max(vocabulary, token + 1), mean_resizing=False)
    matrices = [model.get_input_embeddings().weight]
    output = model.get_output_embeddings()
    if output is not None and output.weight is not matrices[0]:
        matrices.append(output.weight)
    for matrix in matrices:
        mean = matrix[:rows].float().mean(0).to(matrix.dtype)
        matrix[rows:] = mean
        matrix[token] = mean


def untie_if_different(model: PreTrainedModel) -> None:
    """Where the class ties the two matrices but one was trained alone, say that they are two."""
    one, two = model.get_input_embeddings(), model.get_output_embeddings()
    tied = getattr(model, "all_tied_weights_keys", None) or {}
    names = {f"{name}.weight" for name, module in model.named_modules() if module is one or module is two}
    if two is None or one.weight is two.weight or not names & tied.keys():
        return
    same = torch.equal(one.weight, two.weight)
    for config in (model.config, model.config.get_text_config()):
        config.tie_word_embeddings = same
    if same:
        model.tie_weights()
    else:
        model.all_tied_weights_keys = {k: v for k, v in tied.items() if k not in names}
