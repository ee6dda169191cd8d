"""Families at their published sizes, on the meta device: parameter counts, and every tensor name covered."""

import re

import pytest
import torch

from jobs.models.families import FAMILIES
from jobs.models.layout import arrange
from jobs.models.official import Skeleton, layout_for

LLADA2 = {
    **{
        "architectures": ["LLaDA2MoeModelLM"],
        "head_dim": 128,
        "num_key_value_heads": 4,
        "vocab_size": 157184,
    },
    **{"num_experts": 256, "num_experts_per_tok": 8, "num_shared_experts": 1, "n_group": 8, "topk_group": 4},
    **{"first_k_dense_replace": 1, "norm_topk_prob": True, "routed_scaling_factor": 2.5},
    **{"partial_rotary_factor": 0.5, "rope_theta": 600000, "rms_norm_eps": 1e-6},
    **{"max_position_embeddings": 16384},
}
DIT = {"cond_dim": 128, "n_blocks": 12, "n_heads": 12, "dropout": 0.1}
QWEN = {"vocab_size": 151936, "head_dim": 128, "num_key_value_heads": 8, "rope_theta": 1000000}
QWEN3_VL = {
    **{"vocab_size": 151936, "head_dim": 128, "num_hidden_layers": 36, "num_attention_heads": 32},
    **{"num_key_value_heads": 8, "max_position_embeddings": 262144, "rope_theta": 5000000},
    "rope_scaling": {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"},
}
# name -> (family, the published config's sizes, stored values). Where the sizes come from stands beside them;
# the counts are those of the cards, and exact by hand from the sizes.
PUBLISHED = {
    # GSAI-ML/LLaDA-8B-Instruct, config.json. The card says 8.02 B.
    "LLaDA-8B": (
        "llada",
        {
            **{"d_model": 4096, "mlp_hidden_size": 12288, "n_layers": 32, "n_heads": 32, "n_kv_heads": 32},
            **{"embedding_size": 126464, "vocab_size": 126464, "max_sequence_length": 4096},
            **{"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "weight_tying": False},
        },
        8_015_581_184,
    ),
    # Dream-org/Dream-v0-Base-7B, config.json: Qwen2.5-7B's sizes. The card says 7.62 B.
    "Dream-7B": (
        "dream",
        {
            **{
                "hidden_size": 3584,
                "intermediate_size": 18944,
                "num_hidden_layers": 28,
                "rms_norm_eps": 1e-6,
            },
            **{"num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064},
            **{"max_position_embeddings": 131072, "rope_theta": 1000000.0, "tie_word_embeddings": False},
        },
        7_615_616_512,
    ),
    # diffusionfamily/diffugpt-s: GPT-2. The paper says 127M, the sum of GPT-2's tensors is 124.4 M.
    "DiffuGPT-s": ("diffugpt", {"vocab_size": 50257}, 124_439_808),
    # diffusionfamily/diffugpt-m: GPT-2 medium with one token more. Said to be 355 M.
    "DiffuGPT-m": (
        "diffugpt",
        {"vocab_size": 50258, "n_embd": 1024, "n_layer": 24, "n_head": 16},
        354_824_192,
    ),
    # diffusionfamily/diffullama: Llama 2 7B.
    "DiffuLLaMA": (
        "diffullama",
        {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32},
        6_738_415_616,
    ),
    # inclusionAI/LLaDA-MoE-7B-A1B, config.json: OLMoE's sizes with a larger vocabulary. Said to be 7 B.
    "LLaDA-MoE-7B-A1B": (
        "lladamoe",
        {
            **{"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 16, "num_experts": 64},
            **{"num_key_value_heads": 16, "num_experts_per_tok": 8, "expert_intermediate_size": 1024},
            **{"dense_intermediate_size": 8192, "moe_layer_freq": [1] * 16, "vocab_size": 157184},
            **{"rope_theta": 50000, "rms_norm_eps": 1e-5, "max_position_embeddings": 8192},
        },
        7_356_880_896,
    ),
    # inclusionAI/dFactory, configs/model_configs/llada2_mini. Said to be 16 B.
    "LLaDA2-mini": (
        "llada2",
        {
            **{**LLADA2, "hidden_size": 2048, "intermediate_size": 5120, "num_hidden_layers": 20},
            **{"num_attention_heads": 16, "moe_intermediate_size": 512},
        },
        16_255_643_392,
    ),
    # inclusionAI/dFactory, configs/model_configs/llada2_flash. Said to be 100 B.
    "LLaDA2-flash": (
        "llada2",
        {
            **{**LLADA2, "hidden_size": 4096, "intermediate_size": 9216, "num_hidden_layers": 32},
            **{"num_attention_heads": 32, "moe_intermediate_size": 1024},
        },
        102_889_705_216,
    ),
    # JetLM/SDAR-1.7B-Chat, config.json: Qwen3-1.7B's sizes, head not tied.
    "SDAR-1.7B": (
        "sdar",
        {
            **{**QWEN, "architectures": ["SDARForCausalLM"], "hidden_size": 2048, "intermediate_size": 6144},
            **{"num_hidden_layers": 28, "num_attention_heads": 16, "tie_word_embeddings": False},
        },
        2_031_739_904,
    ),
    # JetLM/SDAR-30B-A3B-Chat: Qwen3-30B-A3B's sizes. Qwen3-30B-A3B's card says 30.5 B.
    "SDAR-30B-A3B": (
        "sdar",
        {
            **{**QWEN, "architectures": ["SDARMoeForCausalLM"], "hidden_size": 2048, "num_hidden_layers": 48},
            **{"num_attention_heads": 32, "num_key_value_heads": 4, "num_experts": 128},
            **{"num_experts_per_tok": 8, "moe_intermediate_size": 768, "intermediate_size": 6144},
            **{"norm_topk_prob": True, "tie_word_embeddings": False},
        },
        30_532_122_624,
    ),
    # ByteDance-Seed/Stable-DiffCoder-8B: Seed-Coder's Llama. Said to be 8 B.
    "Stable-DiffCoder-8B": (
        "stable_diffcoder",
        {
            **{
                "vocab_size": 155136,
                "hidden_size": 4096,
                "intermediate_size": 14336,
                "num_hidden_layers": 32,
            },
            **{"num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": False},
        },
        8_250_462_208,
    ),
    # Qwen/Qwen3-VL-8B-Instruct, config.json; the Hub counts exactly so many values in its safetensors.
    "Qwen3-VL-8B": (
        "qwen3_vl",
        {
            "text_config": {**QWEN3_VL, "hidden_size": 4096, "intermediate_size": 12288},
            "vision_config": {"out_hidden_size": 4096},  # all else is Qwen3VLVisionConfig's default
            "tie_word_embeddings": False,
        },
        8_767_123_696,
    ),
    # Qwen/Qwen3-VL-4B-Instruct, config.json. Said to be 4 B.
    "Qwen3-VL-4B": (
        "qwen3_vl",
        {
            "text_config": {**QWEN3_VL, "hidden_size": 2560, "intermediate_size": 9728},
            "vision_config": {
                **{"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "out_hidden_size": 2560},
                "deepstack_visual_indexes": [5, 11, 17],
            },
            "tie_word_embeddings": True,
        },
        4_437_815_808,
    ),
    # kuleshov-group/mdlm-owt, config.json; several who loaded it report just this number. The card says about
    # 130 million besides the embeddings.
    "MDLM-owt": (
        "mdlm",
        {**DIT, "hidden_dim": 768, "model_length": 1024, "vocab_size": 50258},
        169_627_218,
    ),
    # kuleshov-group/bd3lm-owt-block_size*, kuleshov-group/bd3lms push_to_hf.py: MDLM's sizes.
    "BD3-LM-owt": (
        "bd3lm",
        {**DIT, "hidden_dim": 768, "model_length": 1024, "vocab_size": 50258, "block_size": 16},
        169_627_218,
    ),
    # louaaron/sedd-small: configs/model/small.yaml of its repository; reported by others who loaded it.
    "SEDD-small": (
        "sedd",
        {"tokens": 50257, "model": {**DIT, "hidden_size": 768, "length": 1024}},
        169_627_218,
    ),
    # louaaron/sedd-medium: configs/model/medium.yaml. Said to be 424 M (from memory); exact by hand.
    "SEDD-medium": (
        "sedd",
        {
            "tokens": 50257,
            "model": {**DIT, "hidden_size": 1024, "length": 1024, "n_blocks": 24, "n_heads": 16},
        },
        424_477_010,
    ),
    # dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1: Qwen3-0.6B, which has 596 M with its head tied.
    "A2D-Qwen3-0.6B": (
        "a2d",
        {
            **{**QWEN, "architectures": ["A2DQwen3LMHeadModel"], "model_type": "a2d-qwen3"},
            **{"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28},
            **{"num_attention_heads": 16, "tie_word_embeddings": True},
        },
        596_049_920,
    ),
}
# Every name that a published folder of the family has (numbers of layers and experts left out).
DIT_NAMES = (
    r"(vocab_embed\.embedding|sigma_map\.mlp\.N\.(weight|bias)|output_layer\.(norm_final\.weight|"
    r"(linear|adaLN_modulation)\.(weight|bias))|blocks\.N\.((norm[12]|attn_qkv|attn_out)\.weight|"
    r"(mlp\.N|adaLN_modulation)\.(weight|bias)))"
)
NAMES = {
    "mdlm": r"backbone\." + DIT_NAMES,
    "bd3lm": r"backbone\." + DIT_NAMES,
    "sedd": DIT_NAMES,
    "llada": r"model\.transformer\.(wte|ln_f|ff_out|blocks\.N\.(q_proj|k_proj|v_proj|attn_out|attn_norm|"
    r"ff_norm|ff_proj|up_proj|ff_out))\.weight",
    "dream": r"lm_head\.weight|model\.(embed_tokens|norm)\.weight|model\.layers\.N\.(self_attn\."
    r"(([qkv]_proj\.(weight|bias))|o_proj\.weight)|mlp\.(gate|up|down)_proj\.weight|(input|post_attention)_layernorm\.weight)",
    "llada2": r"lm_head\.weight|model\.(word_embeddings|norm)\.weight|model\.layers\.N\.(attention\."
    r"(query_key_value|dense|query_layernorm|key_layernorm)\.weight|(input|post_attention)_layernorm\.weight|"
    r"mlp\.(gate\.(weight|expert_bias)|((experts\.N|shared_experts)\.)?(gate|up|down)_proj\.weight))",
    "lladamoe": r"lm_head\.weight|model\.(embed_tokens|norm)\.weight|model\.layers\.N\.(self_attn\."
    r"([qkvo]_proj|[qk]_norm)\.weight|mlp\.(gate|experts\.N\.(gate|up|down)_proj)\.weight|"
    r"(input|post_attention)_layernorm\.weight)",
    "qwen3_vl": r"lm_head\.weight|model\.language_model\.((embed_tokens|norm)|layers\.N\.(self_attn\."
    r"([qkvo]_proj|[qk]_norm)|mlp\.(gate|up|down)_proj|(input|post_attention)_layernorm))\.weight|model\.visual\.("
    r"pos_embed\.weight|(patch_embed\.proj|blocks\.N\.(attn\.(qkv|proj)|mlp\.linear_fc[12]|norm[12])|"
    r"(merger|deepstack_merger_list\.N)\.(norm|linear_fc[12]))\.(weight|bias))",
    "diffugpt": r"embed_tokens\.weight|denoise_model\.(wpe\.weight|ln_f\.(weight|bias)|h\.N\.(ln_[12]|"
    r"attn\.c_(attn|proj)|mlp\.c_(fc|proj))\.(weight|bias))",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_size_is_built_and_every_name_of_it_is_known(name):
    family_name, sizes, parameters = PUBLISHED[name]
    family = FAMILIES[family_name]
    skeleton = Skeleton(family.stock_config(sizes))
    stored = arrange(skeleton.shapes, layout_for(family, skeleton.config, family.layouts[0]))
    assert sum(torch.Size(tensor.shape).numel() for tensor in stored.values()) == parameters
    shapes = {re.sub(r"\.\d+\.", ".N.", tensor) for tensor in stored}
    if family_name in NAMES:
        assert all(re.fullmatch(NAMES[family_name], shape) for shape in shapes)
