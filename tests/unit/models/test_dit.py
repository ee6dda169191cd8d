"""The DiT of MDLM, BD3-LM and SEDD, against its published description written out with plain loops."""

import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from jobs.diffusion.attention import block_causal, block_diffusion, form
from jobs.diffusion.likelihood import exact_bound
from jobs.diffusion.masked_head import masked_loss
from jobs.diffusion.objectives.block import beside_clean
from jobs.models import checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.dit import NEVER
from jobs.models.families import FAMILIES
from jobs.models.families.dit import DiTFamily
from jobs.models.source import read_config
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import ModelError
from jobs.protocol.folder import write_json

pytestmark = pytest.mark.thorough

DIT = [name for name, family in FAMILIES.items() if isinstance(family, DiTFamily)]
LETTERS = "abcdefghijklmnop"
HEADS, LENGTH, MASK = 2, 8, 18
SIGMA = torch.tensor([0.7, 2.5])


def made(name: str, **changes: object) -> checkpoint.Checkpoint:
    """A debug checkpoint with weights that are nowhere zero or alike, biases and norms included."""
    found = debug_checkpoint(name, character_tokenizer(LETTERS))
    for key, value in changes.items():
        setattr(found.model.config, key, value)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for key, tensor in found.model.named_parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3 + ("norm" in key))
    return found


def masked_ids(rows: int = 2, length: int = LENGTH) -> torch.Tensor:
    ids = torch.randint(16, (rows, length), generator=torch.Generator().manual_seed(1))
    ids[:, ::3] = MASK
    return ids


def published(tensors, ids, sigma, sees, positions):
    """The network of SEDD's transformer.py for one row: ids [L], sigma a number, sees(i, j) whether i attends
    to j. Tensors by their published names. -> [L, V], what its last linear layer gives."""

    def linear(x, name):
        bias = tensors.get(name + ".bias")
        out = tensors[name + ".weight"] @ x
        return out if bias is None else out + bias

    def norm(x, name):
        return (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + 1e-5) * tensors[name + ".weight"]

    def turned(x, position):  # GPT-NeoX's rotary embedding of one head
        half, out = len(x) // 2, x.clone()
        for i in range(half):
            angle = position / 10_000 ** (2 * i / len(x))
            out[i] = x[i] * math.cos(angle) - x[i + half] * math.sin(angle)
            out[i + half] = x[i + half] * math.cos(angle) + x[i] * math.sin(angle)
        return out

    silu = torch.nn.functional.silu
    waves = [sigma * math.exp(-math.log(10_000) * i / 128) for i in range(128)]
    spread = torch.tensor([math.cos(w) for w in waves] + [math.sin(w) for w in waves])
    condition = silu(linear(silu(linear(spread, "sigma_map.mlp.0")), "sigma_map.mlp.2"))
    x = [tensors["vocab_embed.embedding"][i] for i in ids]
    block = 0
    while f"blocks.{block}.attn_qkv.weight" in tensors:
        at = f"blocks.{block}."
        parts = linear(condition, at + "adaLN_modulation").reshape(6, -1)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = parts
        qkv = [linear(norm(v, at + "norm1") * (1 + scale_a) + shift_a, at + "attn_qkv") for v in x]
        qkv = [v.reshape(3, HEADS, -1) for v in qkv]
        for i in range(len(x)):
            heads = []
            for h in range(HEADS):
                keys = [j for j in range(len(qkv)) if sees(i, j)]
                query = turned(qkv[i][0, h], positions[i])
                scores = [query @ turned(qkv[j][1, h], positions[j]) / len(query) ** 0.5 for j in keys]
                weights = torch.stack(scores).softmax(0)
                heads.append(sum(w * qkv[j][2, h] for w, j in zip(weights, keys, strict=True)))
            x[i] = x[i] + gate_a * linear(torch.cat(heads), at + "attn_out")
            inner = linear(norm(x[i], at + "norm2") * (1 + scale_m) + shift_m, at + "mlp.0")
            inner = 0.5 * inner * (1 + torch.tanh((2 / math.pi) ** 0.5 * (inner + 0.044715 * inner**3)))
            x[i] = x[i] + gate_m * linear(inner, at + "mlp.2")
        block += 1
    shift, scale = linear(condition, "output_layer.adaLN_modulation").reshape(2, -1)
    x = [norm(v, "output_layer.norm_final") * (1 + scale) + shift for v in x]
    return torch.stack([linear(v, "output_layer.linear") for v in x])


def exported(found: checkpoint.Checkpoint, folder) -> dict[str, torch.Tensor]:
    """The tensors of an official folder, without the prefix."""
    checkpoint.export(found, found.config.family, folder)
    tensors = load_file(folder / "model.safetensors")
    return {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", DIT)
@torch.no_grad()
def test_the_network_is_the_published_one(name, tmp_path):
    found = made(name)
    tensors, ids = exported(found, tmp_path / "official"), masked_ids()
    timed = found.model.config.time_conditioning
    logits = found.model(ids, sigma=SIGMA).logits
    assert (logits[..., MASK] < NEVER / 2).all()
    for row, sigma in enumerate(SIGMA.tolist()):
        expected = published(tensors, ids[row], sigma if timed else 0.0, lambda i, j: True, range(LENGTH))
        assert torch.allclose(logits[row, :, :MASK], expected[:, :MASK], atol=2e-4)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@torch.no_grad()
def test_bd3lm_trains_on_the_published_view(implementation, tmp_path):
    """[x_t ; x_0] with repeated positions, and the mask of bd3lms' block_diff_mask in its own three parts."""
    found, size = made("bd3lm"), 4
    found.model.set_attn_implementation(implementation)
    noised = masked_ids(1)
    clean = torch.randint(16, (1, LENGTH), generator=torch.Generator().manual_seed(2))

    def sees(q, k):
        clean_q, clean_k = q >= LENGTH, k >= LENGTH
        block_q, block_k = q % LENGTH // size, k % LENGTH // size
        diagonal = block_q == block_k and clean_q == clean_k
        offset = block_q > block_k and clean_k and not clean_q
        causal = block_q >= block_k and clean_k and clean_q
        return diagonal or offset or causal

    view = beside_clean(noised, clean, size, None)
    logits = found.model(
        view.input_ids, form(view.pattern, found.model), position_ids=view.position_ids
    ).logits[0]
    positions = [*range(LENGTH), *range(LENGTH)]
    expected = published(exported(found, tmp_path / "o"), view.input_ids[0], 0.0, sees, positions)
    assert torch.allclose(logits[:, :MASK], expected[:, :MASK], atol=2e-4)


@torch.no_grad()
def test_bd3lm_says_block_by_block_what_it_says_in_training():
    """Block-causal attention over clean blocks and one noised block equals the view beside the clean text."""
    found, size = made("bd3lm"), 4
    noised, clean = masked_ids(1, 12), torch.arange(12)[None]
    view = beside_clean(noised, clean, size, None)
    trained = found.model(view.input_ids, form(view.pattern, found.model), position_ids=view.position_ids)
    for start in range(0, 12, size):
        now = torch.cat([clean[:, :start], noised[:, start : start + size]], 1)
        mask = form(block_causal(now.shape[1], size), found.model)
        sampled = found.model(now, mask).logits[:, start:]
        assert torch.allclose(sampled, trained.logits[:, start : start + size], atol=1e-4)


@torch.no_grad()
def test_without_conditioning_the_norms_are_plain(tmp_path):
    """BD3-LM's adaln: false is adaln: true with a modulation of no shift, no scale and gates of 1."""
    folder = tmp_path / "plain"
    found = made("bd3lm")
    for module in [*found.model.layers, found.model]:
        module.modulation.weight.zero_()
        module.modulation.bias.zero_()
    for layer in found.model.layers:
        layer.modulation.bias.view(6, -1)[[2, 5]] = 1
    checkpoint.export(found, "bd3lm", folder)
    kept = {
        key: tensor
        for key, tensor in load_file(folder / "model.safetensors").items()
        if "adaLN" not in key and "sigma_map" not in key
    }
    save_file(kept, folder / "model.safetensors")
    write_json(folder / "config.json", {**read_config(folder), "adaln": False})
    plain = checkpoint.load(folder)
    assert plain.model.config.adaln is False
    ids = masked_ids()
    assert torch.allclose(plain.model(ids).logits, found.model(ids).logits, atol=1e-5)


@torch.no_grad()
def test_the_noise_level_is_read_from_the_masks():
    """1 - e^-sigma is the share of masks among the tokens that are no padding."""
    found = made("sedd")
    ids = masked_ids()
    ids[:, :] = torch.where(torch.arange(LENGTH) < 2, MASK, ids % 16)  # two masks of eight
    padding = torch.ones_like(ids)
    padding[1, 4:] = 0  # and two of four
    ids[1, 6] = MASK  # not counted
    sigma = -torch.log(1 - torch.tensor([2 / 8, 2 / 4]))
    given = found.model(ids, padding, sigma=sigma).logits
    assert torch.allclose(found.model(ids, padding).logits, given, atol=1e-5)
    embedded = found.model.embed_tokens(ids)
    assert torch.allclose(
        found.model(inputs_embeds=embedded, attention_mask=padding).logits, given, atol=1e-5
    )
    everything = torch.full((1, LENGTH), MASK)
    finite = found.model(everything, sigma=torch.tensor([-math.log(1e-3)])).logits
    assert torch.allclose(found.model(everything).logits, finite, atol=1e-5), (
        "all masked: time 1, not infinity"
    )
    assert not torch.allclose(found.model(ids, sigma=sigma * 2).logits, given, atol=1e-3)


@torch.no_grad()
def test_sedds_log_scores_are_the_logits_up_to_a_constant(tmp_path):
    """SEDD's output, with its scaling by sigma, has the same log-probabilities over the words."""
    found = made("sedd")
    ids, sigma = masked_ids(1), 1.3
    raw = published(exported(found, tmp_path / "o"), ids[0], sigma, lambda i, j: True, range(LENGTH))
    log_score = raw - math.log(math.expm1(sigma)) - math.log(MASK)
    log_score = log_score.scatter(1, ids[0][:, None], 0.0)
    ours = found.model(ids, sigma=torch.tensor([sigma])).logits[0].log_softmax(-1)
    at = ids[0] == MASK
    assert torch.allclose(ours[at][:, :MASK], log_score[at][:, :MASK].log_softmax(-1), atol=1e-4)


@pytest.mark.parametrize("name", DIT)
@torch.no_grad()
def test_padding_and_wanted_positions(name):
    found, ids = made(name), masked_ids()
    full = found.model(ids, sigma=SIGMA).logits
    wanted = torch.rand(ids.shape, generator=torch.Generator().manual_seed(2)) < 0.5
    for keep, expected in [
        (3, full[:, -3:]),
        (torch.tensor([1, 4]), full[:, [1, 4]]),
        (wanted, full[wanted]),
    ]:
        kept = found.model(ids, sigma=SIGMA, logits_to_keep=keep).logits
        assert torch.allclose(kept, expected, atol=1e-5)
    padded = torch.cat([torch.full((2, 3), 17), ids], 1)
    mask = (torch.arange(3 + LENGTH).expand(2, -1) >= 3).long()
    whole = found.config.model_copy(update={"block_size": None})
    found.config = whole
    alone, moved = found.denoiser()(ids), found.denoiser()(padded, mask)[:, 3:]
    assert torch.allclose(moved, alone, atol=1e-4), "a padded row says what it says alone"


@pytest.mark.parametrize("name", DIT)
def test_the_mask_is_never_predicted_and_its_row_never_trained(name):
    """In whatever way the loss is computed: inside the head in chunks, or from the logits."""
    found = made(name)
    ids, wanted = masked_ids(), masked_ids() == MASK
    targets = torch.arange(int(wanted.sum())) % 16
    weights = torch.linspace(0.5, 2, len(targets))
    chunked, losses = masked_loss(found.model, {"input_ids": ids}, wanted, targets, weights)
    chunked.backward()
    head = found.model.lm_head
    grads = [head.weight.grad.clone(), head.bias.grad.clone()]
    found.model.zero_grad()
    words = found.model(ids).logits[wanted][:, :MASK]
    plain = F.cross_entropy(words, targets, reduction="none")
    (plain * weights).sum().backward()
    assert torch.allclose(losses, plain, atol=1e-5)
    for chunk, whole in zip(grads, (head.weight.grad, head.bias.grad), strict=True):
        assert (chunk[MASK] == 0).all() and torch.allclose(chunk, whole, atol=1e-4)
    entropic, _ = masked_loss(found.model, {"input_ids": ids}, wanted, targets, weights, 1.0)
    assert entropic.isfinite()


def test_random_weights_begin_as_the_authors_do():
    """All logits 0 (the mask's apart) and every layer an identity."""
    config = FAMILIES["mdlm"].stock_config({**FAMILIES["mdlm"].debug, "vocab_size": 19})
    config.initializer_range = None
    model = checkpoint.model_class(config)(config).eval()
    logits = model(masked_ids()).logits
    assert (logits[..., :MASK] == 0).all() and (logits[..., MASK] == NEVER).all()
    assert (model.lm_head.weight == 0).all() and (model.embed_tokens.weight != 0).any()
    assert (model.layers[0].qkv_proj.weight != 0).all() and (model.layers[0].modulation.weight == 0).all()


@torch.no_grad()
def test_a_cache_changes_nothing():
    """The clean blocks are read from the cache, as block diffusion samples."""
    found = made("bd3lm")
    denoiser, ids = found.denoiser(), masked_ids(1)
    cache = denoiser.new_cache(LENGTH)
    denoiser(ids, feed=slice(0, 4), at=slice(0, 4), cache=cache)
    cached = denoiser(ids, feed=slice(4, 8), at=slice(4, 8), cache=cache)
    assert torch.allclose(cached, denoiser(ids, at=slice(4, 8)), atol=1e-5)
    with pytest.raises(ModelError, match="set use_cache to none"):
        made("sedd").denoiser()(ids, feed=slice(0, 4), at=slice(0, 4), cache=denoiser.new_cache(LENGTH))


@torch.no_grad()
def test_a_likelihood_is_one():
    """All answers together have probability at most 1 under the bound, and the mask has none of it."""
    found = made("mdlm")
    ids = torch.arange(4)
    scored = torch.tensor([False, False, False, True])
    total = 0.0
    for word in range(19):
        ids[3] = word
        bound = exact_bound(found.denoiser(), ids, scored) if word != MASK else -math.inf
        total += math.exp(bound)
    assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", DIT)
def test_the_mask_is_the_last_token_unless_somebody_says_otherwise(name, tmp_path):
    """Published folders have no tokenizer and name no mask. The one that is settled is never predicted."""
    found, folder = made(name), tmp_path / "official"
    found.tokenizer = None
    checkpoint.export(found, name, folder)
    raw = {key: value for key, value in read_config(folder).items() if key != "mask_token_id"}
    write_json(folder / "config.json", raw)
    for asked, expected in [(None, MASK), (3, 3)]:
        loaded = checkpoint.load(folder, mask_token_id=asked)
        assert loaded.config.mask_token_id == expected
        with torch.no_grad():
            logits = loaded.model(masked_ids()).logits
        assert (logits < NEVER / 2).any(0).any(0).nonzero().flatten().tolist() == [expected]


def test_buffers_of_published_folders_are_no_weights(tmp_path):
    """inv_freq is computed, BD3-LM's sampling range belongs to its training; anything else is an error."""
    folder = tmp_path / "official"
    checkpoint.export(made("bd3lm"), "bd3lm", folder)
    file = folder / "model.safetensors"
    extra = {"backbone.rotary_emb.inv_freq": torch.ones(8), "sampling_eps_min": torch.tensor(0.45)}
    tensors = load_file(file)
    save_file({**tensors, **extra}, file)
    assert checkpoint.load(folder).config.block_size == 4
    save_file({**tensors, "ema.shadow_params": torch.ones(2)}, file)
    with pytest.raises(ModelError, match="have unexpected ema.shadow_params"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("sedd", {"graph": {"type": "uniform"}}, "graph has type = 'uniform'"),
        ("sedd", {"model": {}}, "lacks the key model"),
        ("bd3lm", {"causal": True}, "causal = True"),
        ("mdlm", {"n_heads": 3}, "that is no model"),
        ("mdlm", {"hidden_dim": None}, "config.json"),
    ],
)
def test_what_was_never_published_is_refused(name, change, told):
    raw = {**FAMILIES[name].debug, "vocab_size": 19, **change}
    if raw.get("hidden_dim", 0) is None:
        del raw["hidden_dim"]
    with pytest.raises(ModelError, match=told):
        FAMILIES[name].stock_config(raw)


def test_a_block_as_long_as_the_text_is_no_block():
    family = FAMILIES["bd3lm"]
    assert family.traits(family.debug) == {"objective": "bd3lm", "block_size": 4}
    assert family.traits({**family.debug, "block_size": 64}) == {"objective": "mdlm"}


def test_dense_patterns_have_the_same_meaning_in_every_implementation():
    found = made("bd3lm")
    ids, pattern = masked_ids(), block_diffusion(LENGTH // 2, 2)
    outputs = []
    for implementation in ("sdpa", "eager", "flex_attention"):
        found.model.set_attn_implementation(implementation)
        with torch.no_grad():
            outputs.append(found.model(ids, form(pattern, found.model)).logits)
    assert torch.allclose(outputs[0], outputs[1], atol=1e-5)
    assert torch.allclose(outputs[0], outputs[2], atol=1e-4)


def test_checkpointed_layers_have_the_same_gradients():
    found, ids = made("sedd"), masked_ids()
    grads = []
    for checkpointed in (False, True):
        if checkpointed:
            found.model.gradient_checkpointing_enable({"use_reentrant": False})
        found.model.train().zero_grad()
        for module in found.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        found.model(ids, sigma=SIGMA).logits[..., :MASK].square().sum().backward()
        grads.append([p.grad.clone() for p in found.model.parameters()])
    assert all(torch.allclose(one, two, rtol=1e-4, atol=1e-3) for one, two in zip(*grads, strict=True))
