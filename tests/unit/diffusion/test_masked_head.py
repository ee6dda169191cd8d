"""The loss inside the head equals the plain one, in value and gradient, without all logits being there."""

import pytest
import torch
import torch.nn.functional as F
from transformers import (
    BertConfig,
    BertForMaskedLM,
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
)

from jobs.diffusion import masked_head
from jobs.diffusion.masked_head import masked_loss, weighted_cross_entropy

from .conftest import tiny

SMALL = {
    **{"vocab_size": 24, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"intermediate_size": 32, "pad_token_id": 0, "initializer_range": 0.3},
}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def model_of(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "gemma2":  # caps its logits after the head
        config = Gemma2Config(
            **SMALL, num_key_value_heads=1, head_dim=16, final_logit_softcapping=3.0, is_causal=False
        )
        config._attn_implementation = "eager"
        return Gemma2ForCausalLM(config).eval()
    if kind == "cohere":  # scales its logits after the head
        return CohereForCausalLM(CohereConfig(**SMALL, logit_scale=0.3)).eval()
    if kind == "bert":  # a head with a bias, and no logits_to_keep
        return BertForMaskedLM(BertConfig(**SMALL)).eval()
    return tiny(kind)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2", "cohere", "bert"])
@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_every_kind_of_model_gives_the_plain_loss_and_gradient(kind, beta):
    model = model_of(kind)
    ids = torch.randint(1, 24, (3, 8), generator=seeded())
    wanted = torch.rand(3, 8, generator=seeded()) < 0.6
    targets, weights = ids.roll(1, 1)[wanted], torch.rand(int(wanted.sum()), generator=seeded())
    kwargs = {} if kind == "bert" else {"use_cache": False}
    logp = model(input_ids=ids, **kwargs).logits[wanted].log_softmax(-1)
    targets[:4] = logp.argmax(-1)[:4]  # some are right, for the entropy
    losses = -logp.gather(1, targets[:, None])[:, 0]
    right = logp.argmax(-1) == targets
    plain = (losses * weights).sum() + beta * -(logp.exp() * logp).sum(-1)[right].mean()
    plain.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    for _ in range(2):  # the second time it is known what the model does with its logits
        model.zero_grad()
        loss, found = masked_loss(model, {"input_ids": ids, **kwargs}, wanted, targets, weights, beta)
        loss.backward()
        assert torch.allclose(loss, plain, rtol=1e-5) and torch.allclose(found, losses, atol=1e-5)
        for name, parameter in model.named_parameters():
            if name in expected:
                assert torch.allclose(parameter.grad, expected[name], atol=1e-5), name
    assert "forward" not in vars(model.get_output_embeddings())


@pytest.mark.parametrize("rows", [1, 5, 37, 100])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_chunks_change_nothing(rows, cap):
    hidden, weight = torch.randn(37, 8, generator=seeded()), torch.randn(24, 8, generator=seeded())
    bias, targets = torch.randn(24, generator=seeded()), torch.randint(24, (37,), generator=seeded())
    weights = torch.rand(37, generator=seeded())
    leaves = [x.clone().requires_grad_() for x in (hidden, weight, bias)]
    logits = F.linear(*leaves)
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    losses = F.cross_entropy(logits, targets, reduction="none")
    (3 * (losses * weights).sum()).backward()
    ours = [x.clone().requires_grad_() for x in (hidden, weight, bias)]
    loss, found = weighted_cross_entropy(*ours, targets, weights, cap, chunk=24 * rows)
    (3 * loss).backward()
    assert torch.allclose(found, losses, atol=1e-5)
    for mine, plain in zip(ours, leaves, strict=True):
        assert torch.allclose(mine.grad, plain.grad, atol=1e-5)


def test_a_second_backward_pass_is_refused_and_a_scaled_one_scales():
    hidden, weight = torch.randn(5, 8, generator=seeded()), torch.randn(24, 8, generator=seeded())
    targets, weights = torch.randint(24, (5,), generator=seeded()), torch.ones(5)
    found = []
    for scale in (1.0, 0.25):
        leaf = weight.clone().requires_grad_()
        loss, _ = weighted_cross_entropy(hidden, leaf, None, targets, weights)
        (loss * scale).backward(retain_graph=True)
        found.append(leaf.grad)
    assert torch.equal(found[0] * 0.25, found[1])
    with pytest.raises(RuntimeError, match="second backward pass"):
        loss.backward()


def test_logits_are_never_there_all_at_once(monkeypatch):
    """At noise level 1 no tensor of the forward or backward pass has as many numbers as the logits."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.numbers = max(self.numbers, out.numel())
            return out

    monkeypatch.setattr(masked_head, "CHUNK", 1000 * 16)
    model = tiny("llama", words=1000)
    ids, wanted = torch.randint(1000, (8, 64), generator=seeded()), torch.ones(8, 64, dtype=torch.bool)
    with Largest() as seen:
        inputs = {"input_ids": ids, "use_cache": False}
        loss, _ = masked_loss(model, inputs, wanted, ids[wanted], torch.ones(512))
        loss.backward()
    assert 0 < seen.numbers < 8 * 64 * 1000 / 4


def test_frozen_heads_validation_and_bf16():
    model = tiny("llama")
    ids, wanted = torch.randint(24, (2, 6), generator=seeded()), torch.ones(2, 6, dtype=torch.bool)
    inputs = {"input_ids": ids, "use_cache": False}
    with torch.no_grad():
        alone, _ = masked_loss(model, inputs, wanted, ids[wanted], torch.ones(12))
    assert not alone.requires_grad
    model.lm_head.weight.requires_grad_(False)
    loss, _ = masked_loss(model, inputs, wanted, ids[wanted], torch.ones(12))
    loss.backward()
    assert model.lm_head.weight.grad is None and torch.allclose(loss, alone)
    model.lm_head.weight.requires_grad_(True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, losses = masked_loss(model, inputs, wanted, ids[wanted], torch.ones(12))
    half.backward()
    assert losses.dtype == torch.float32 and model.lm_head.weight.grad.dtype == torch.float32
    assert half.item() == pytest.approx(alone.item(), rel=0.05)


def test_adapters_on_the_head_are_trained():
    """LoRA on the vocabulary matrix is no plain matrix: the slower way, with the right gradients."""
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(tiny("llama"), LoraConfig(r=2, target_modules=["lm_head"]))
    ids, wanted = torch.randint(24, (2, 6), generator=seeded()), torch.ones(2, 6, dtype=torch.bool)
    loss, _ = masked_loss(model, {"input_ids": ids, "use_cache": False}, wanted, ids[wanted], torch.ones(12))
    loss.backward()
    trained = [p.grad.abs().sum() for p in model.parameters() if p.requires_grad]
    assert len(trained) == 2 and sum(trained) > 0
