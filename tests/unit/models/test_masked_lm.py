"""Encoders with a masked-LM head: the same logits as transformers' classes, at the wanted positions only."""

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING

from jobs.models import checkpoint
from jobs.models.families.bert import CLASSES
from jobs.models.masked_lm import MASKED_LM
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import ModelError

SIZES = {
    **{
        "vocab_size": 20,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "pad_token_id": 1,
    },
    **{"intermediate_size": 48, "max_position_embeddings": 70, "bos_token_id": 2, "eos_token_id": 3},
}
MORE = {"modernbert": {"cls_token_id": 2, "sep_token_id": 3, "local_attention": 8}}


def stock(kind):
    torch.manual_seed(0)
    return getattr(transformers, CLASSES[kind])(CONFIG_MAPPING[kind](**SIZES, **MORE.get(kind, {}))).eval()


@pytest.mark.parametrize("kind", MASKED_LM)
def test_a_plain_folder_is_a_dllm_with_the_same_logits(kind, tmp_path):
    model = stock(kind)
    model.save_pretrained(tmp_path / "plain")
    character_tokenizer("abcdefghijklmnopq").save_pretrained(tmp_path / "plain")
    loaded = checkpoint.load(tmp_path / "plain")
    assert loaded.config.family == "bert" and loaded.config.mask_token_id == 19
    ids = torch.randint(4, 19, (2, 30), generator=torch.Generator().manual_seed(1))
    wanted = torch.rand(2, 30, generator=torch.Generator().manual_seed(2)) < 0.5
    with torch.no_grad():
        full = model(ids).logits
        assert torch.allclose(loaded.model(ids).logits, full, atol=1e-5)
        assert torch.allclose(loaded.model(ids, logits_to_keep=wanted).logits, full[wanted], atol=1e-5)
        assert torch.allclose(loaded.denoiser()(ids, at=slice(3, 7)), full[:, 3:7], atol=1e-5)
        padded = torch.cat([torch.full((2, 4), 17), ids], 1)
        mask = torch.arange(34).expand(2, -1) >= 4
        moved = loaded.denoiser()(padded, mask.long())[:, 4:]
    assert torch.allclose(moved, full, atol=1e-4), "a padded row says what it says alone"


def test_old_names_and_pretraining_heads_are_known(tmp_path):
    model = stock("bert")
    model.save_pretrained(tmp_path / "old")
    file = tmp_path / "old" / "model.safetensors"
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in load_file(file).items()
    }
    save_file({**old, "cls.seq_relationship.bias": torch.zeros(2)}, file)
    loaded = checkpoint.load(tmp_path / "old", mask_token_id=5)
    ids = torch.arange(8)[None]
    with torch.no_grad():
        assert torch.allclose(loaded.model(ids).logits, model(ids).logits, atol=1e-6)
    save_file({**old, "bert.extra": torch.zeros(2)}, file)
    with pytest.raises(ModelError, match=r"have unexpected bert\.extra"):
        checkpoint.load(tmp_path / "old", mask_token_id=5)
