"""Toy causal language models of several families, with a byte-level tokenizer, written once a session."""

from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Cohere2Config,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
WINDOW = 3
EOS, PAD, WORDS = 257, 258, 259  # after 256 bytes and one pair of them
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "bos_token_id": None,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
}
GPT2 = {
    **{"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": WORDS},
    **{"initializer_range": 0.2, "bos_token_id": EOS, "eos_token_id": EOS},
}
TOYS: dict[str, Callable[[], PreTrainedConfig]] = {
    "gpt2": lambda: GPT2Config(**GPT2),
    "llama": lambda: LlamaConfig(**SIZES),
    "qwen2": lambda: Qwen2Config(
        **SIZES, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=0
    ),
    "qwen3": lambda: Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True),
    "mistral": lambda: MistralConfig(**SIZES, sliding_window=WINDOW),
    "gemma2": lambda: Gemma2Config(
        **SIZES, head_dim=16, sliding_window=WINDOW, layer_types=["sliding_attention"] * 2
    ),
    "cohere2": lambda: Cohere2Config(
        **SIZES, sliding_window=WINDOW, layer_types=["sliding_attention", "full_attention"]
    ),
    "gemma3": lambda: Gemma3TextConfig(
        **SIZES, head_dim=16, sliding_window=WINDOW, layer_types=["sliding_attention"] * 2
    ),
}


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte and one for `he`, then <eos> and <pad>; a chat template, no mask token."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*letters, "he"])}
    inner = Tokenizer(models.BPE(vocabulary, [("h", "e")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>", pad_token="<pad>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """toy(kind) -> the folder of a random causal language model of that kind. Do not write to it."""
    root = tmp_path_factory.mktemp("toys")

    def make(kind: str) -> Path:
        folder = root / kind
        if not folder.exists():
            torch.manual_seed(1)
            AutoModelForCausalLM.from_config(TOYS[kind]()).save_pretrained(folder)
            byte_tokenizer().save_pretrained(folder)
        return folder

    return make


def write_gguf(folder: Path, file: Path) -> None:
    """The toy Llama of `folder` as llama.cpp would write it: other names, query and key rows interleaved."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    c = model.config
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(c.max_position_embeddings)
    writer.add_embedding_length(c.hidden_size)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_feed_forward_length(c.intermediate_size)
    writer.add_head_count(c.num_attention_heads)
    writer.add_head_count_kv(c.num_key_value_heads)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    writer.add_rope_dimension_count(c.head_dim)
    writer.add_rope_freq_base(c.rope_parameters["rope_theta"])
    writer.add_vocab_size(c.vocab_size)
    tokens = byte_tokenizer().convert_ids_to_tokens(range(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * EOS + [gguf.TokenType.CONTROL] * 2)
    writer.add_token_merges(["h e"])
    writer.add_eos_token_id(EOS)
    writer.add_pad_token_id(PAD)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, c.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        array = tensor.numpy()
        for part, heads in (("q_proj", c.num_attention_heads), ("k_proj", c.num_key_value_heads)):
            if part in name:
                halves = array.reshape(heads, 2, c.head_dim // 2, -1)
                array = halves.swapaxes(1, 2).reshape(array.shape)
        base, _, suffix = name.rpartition(".")
        writer.add_tensor(f"{names.get_name(base)}.{suffix}", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="session")
def toy_gguf(toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file with the weights of toy("llama")."""
    file = tmp_path_factory.mktemp("gguf") / "toy.gguf"
    write_gguf(toy("llama"), file)
    return file
