"""Layers compiled one by one."""

import pytest
import torch

from jobs.programs.training.compiling import compile_layers, layers
from jobs.protocol.errors import ModelError
from tests.unit.programs.test_training import loss_of, ranks


def learned(made) -> tuple[float, list[torch.Tensor]]:
    ids = torch.arange(12).reshape(2, 6) % 8
    batch = {"input_ids": ids, "maskable": torch.ones_like(ids, dtype=torch.bool)}
    batch["prompt_lengths"] = torch.zeros(2)
    made.model.zero_grad()
    result = loss_of(made)(made.model, batch, ranks.generator(torch.device("cpu"), 1))
    result.loss.backward()
    return result.loss.item(), [weight.grad.clone() for weight in made.model.parameters()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.thorough
def test_compiled_layers_learn_the_same_and_keep_their_names(text_model):
    loss, gradients = learned(text_model)
    names = list(text_model.model.state_dict())
    calls = []

    def backend(graph, inputs):
        calls.append(graph)
        return graph.forward

    compile_layers(text_model.model, backend=backend)
    again, after = learned(text_model)
    assert calls, "the layers went through the compiler"
    assert again == pytest.approx(loss, abs=1e-5)
    for one, other in zip(gradients, after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert list(text_model.model.state_dict()) == names and len(list(layers(text_model.model)))


def test_a_model_without_layers_is_refused():
    with pytest.raises(ModelError, match=r"set optimisation\.compile to false"):
        compile_layers(torch.nn.Linear(2, 2))
