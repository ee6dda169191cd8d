"""The published models: sizes, stored values, tensor names, and who says so.

Sizes are those of the published config.json, or of what stands in for it. `count_from` says who counted the
stored values besides us; where nobody did, it says "not confirmed": such a count only follows from the sizes.
"""

from dataclasses import dataclass
from typing import Any

# Tensor names, numbers of layers and experts left out; {a,b} stands for a and b.
DECODER = (
    "model.{embed_tokens,norm}.weight",
    "model.layers.N.{self_attn.{q,k,v,o}_proj,{input,post_attention}_layernorm}.weight",
)
HEAD = ("lm_head.weight",)
MLP = ("model.layers.N.mlp.{gate,up,down}_proj.weight",)
EXPERTS = ("model.layers.N.mlp.{gate,experts.N.{gate,up,down}_proj}.weight",)
HEAD_NORMS = ("model.layers.N.self_attn.{q,k}_norm.weight",)
LLAMA = DECODER + HEAD + MLP
QWEN3, QWEN3_MOE = LLAMA + HEAD_NORMS, DECODER + HEAD + EXPERTS + HEAD_NORMS
DIT = (
    "{vocab_embed.embedding,sigma_map.mlp.N.{weight,bias},blocks.N.{norm1,norm2,attn_qkv,attn_out}.weight}",
    "{blocks.N.{mlp.N,adaLN_modulation},output_layer.{linear,adaLN_modulation}}.{weight,bias}",
    "output_layer.norm_final.weight",
)
BACKBONE = tuple(f"backbone.{names}" for names in DIT)
QWEN3_VL = (
    "model.language_model.{embed_tokens,norm}.weight",
    "model.language_model.layers.N.{self_attn.{{q,k,v,o}_proj,{q,k}_norm},mlp.{gate,up,down}_proj}.weight",
    "model.language_model.layers.N.{input,post_attention}_layernorm.weight",
    "model.visual.{pos_embed.weight,patch_embed.proj.{weight,bias}}",
    "model.visual.blocks.N.{attn.{qkv,proj},mlp.linear_fc{1,2},norm{1,2}}.{weight,bias}",
    "model.visual.{merger,deepstack_merger_list.N}.{norm,linear_fc{1,2}}.{weight,bias}",
)
TOWER = "model.encoder.vision_tower.encoder.layers.N"
ENCODER = (
    "{N}.{attention.{self.{query,key,value},output.{dense,LayerNorm}},intermediate.dense}.{weight,bias}",
    "{N}.output.{dense,LayerNorm}.{weight,bias}",
)
EMBEDDINGS = "embeddings.{{word,position,token_type}_embeddings.weight,LayerNorm.{weight,bias}}"
NAMES: dict[str, tuple[str, ...]] = {
    "llada": (
        "model.transformer.{wte,ln_f,ff_out}.weight",
        "model.transformer.blocks.N.{{q,k,v,ff,up}_proj,attn_out,ff_out,attn_norm,ff_norm}.weight",
    ),
    "dream": (*LLAMA, "model.layers.N.self_attn.{q,k,v}_proj.bias"),
    "diffugpt": (
        "{embed_tokens,denoise_model.wpe}.weight",
        "denoise_model.{ln_f,h.N.{ln_{1,2},attn.c_{attn,proj},mlp.c_{fc,proj}}}.{weight,bias}",
    ),
    "diffullama": LLAMA,
    "lladamoe": QWEN3_MOE,
    "llada2": (
        "{lm_head,model.{word_embeddings,norm}}.weight",
        "model.layers.N.{attention.{query_key_value,dense,{query,key}_layernorm}}.weight",
        "model.layers.N.{{input,post_attention}_layernorm}.weight",
        "model.layers.N.mlp.{gate.{weight,expert_bias},{,experts.N.,shared_experts.}{gate,up,down}_proj.weight}",
    ),
    "sdar": QWEN3,
    "stable_diffcoder": LLAMA,
    "efficient_dlm": (
        "{diffusion_head,encoder.{embed_tokens,norm}}.weight",
        "encoder.layers.N.{self_attn.{{q,k,v,o}_proj,{q,k}_norm},mlp.{gate,up,down}_proj}.weight",
        "encoder.layers.N.{input,post_attention}_layernorm.weight",
    ),
    "mdlm": BACKBONE,
    "bd3lm": BACKBONE,
    "sedd": DIT,
    "qwen3_vl": QWEN3_VL,
    "a2d": DECODER + MLP + HEAD_NORMS,  # head tied
    "diffusion_gemma": (
        "model.decoder.{embed_tokens,norm,self_conditioning.{pre_norm,{gate,up,down}_proj}}.weight",
        "model.{decoder,encoder.language_model}.layers.N.layer_scalar",  # all that the two do not share
        "model.decoder.layers.N.{self_attn.{{q,k,v,o}_proj,{q,k}_norm},mlp.{gate,up,down}_proj}.weight",
        "model.decoder.layers.N.{experts.{gate_up,down}_proj,router.{scale,per_expert_scale,proj.weight}}",
        "model.decoder.layers.N.{input,post_attention,{pre,post}_feedforward}_layernorm.weight",
        "model.decoder.layers.N.{post_feedforward_layernorm_{1,2},pre_feedforward_layernorm_2}.weight",
        "model.encoder.{embed_vision.embedding_projection,vision_tower.patch_embedder.input_proj}.weight",
        "model.encoder.vision_tower.{patch_embedder.position_embedding_table,std_{bias,scale}}",
        f"{TOWER}.{{input,post_attention,{{pre,post}}_feedforward}}_layernorm.weight",
        f"{TOWER}.{{self_attn.{{{{q,k,v,o}}_proj.linear,{{q,k}}_norm}},mlp.{{gate,up,down}}_proj.linear}}.weight",
    ),
}


@dataclass(frozen=True)
class Published:
    """A published model."""

    family: str
    sizes: dict[str, Any]
    values: int
    """Numbers in its files."""
    sizes_from: str
    count_from: str
    names: tuple[str, ...] = ()
    """Where they are not those of the family."""


LLADA2 = {
    **{"architectures": ["LLaDA2MoeModelLM"], "head_dim": 128, "num_key_value_heads": 4},
    **{"vocab_size": 157184, "num_experts": 256, "num_experts_per_tok": 8, "num_shared_experts": 1},
    **{"n_group": 8, "topk_group": 4, "first_k_dense_replace": 1, "norm_topk_prob": True},
    **{"routed_scaling_factor": 2.5, "partial_rotary_factor": 0.5, "rope_theta": 600000},
    **{"rms_norm_eps": 1e-6, "max_position_embeddings": 16384},
}
DIT_SMALL = {"cond_dim": 128, "n_blocks": 12, "n_heads": 12, "dropout": 0.1}
OWT = {**DIT_SMALL, "hidden_dim": 768, "model_length": 1024, "vocab_size": 50258}
QWEN = {"vocab_size": 151936, "head_dim": 128, "num_key_value_heads": 8, "rope_theta": 1000000}
QWEN3_VL_TEXT = {
    **{"vocab_size": 151936, "head_dim": 128, "num_hidden_layers": 36, "num_attention_heads": 32},
    **{"num_key_value_heads": 8, "max_position_embeddings": 262144, "rope_theta": 5000000},
    "rope_scaling": {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"},
}
GEMMA_TEXT = {
    **{"model_type": "diffusion_gemma_text", "hidden_size": 2816, "num_hidden_layers": 30},
    **{"num_attention_heads": 16, "num_key_value_heads": 8, "num_global_key_value_heads": 2},
    **{"head_dim": 256, "global_head_dim": 512, "intermediate_size": 2112, "moe_intermediate_size": 704},
    **{"num_experts": 128, "top_k_experts": 8, "vocab_size": 262144, "max_position_embeddings": 262144},
    **{"sliding_window": 1024, "layer_types": [*["sliding_attention"] * 5, "full_attention"] * 5},
}
PUBLISHED = {
    "LLaDA-8B": Published(
        "llada",
        {
            **{"d_model": 4096, "mlp_hidden_size": 12288, "n_layers": 32, "n_heads": 32, "n_kv_heads": 32},
            **{"embedding_size": 126464, "vocab_size": 126464, "max_sequence_length": 4096},
            **{"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "weight_tying": False},
        },
        8_015_581_184,
        "GSAI-ML/LLaDA-8B-Instruct config.json",
        "just this number reported by several who loaded it; 16.03 GB of shards in bfloat16",
    ),
    "Dream-7B": Published(
        "dream",
        {
            **{"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28},
            **{"num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064},
            **{"max_position_embeddings": 131072, "rope_theta": 1000000.0, "tie_word_embeddings": False},
            "rms_norm_eps": 1e-6,
        },
        7_615_616_512,
        "apple/DiffuCoder-7B-Instruct config.json, a DreamModel of Qwen2.5-7B's sizes like Dream itself",
        "7.62B on Dream-org/Dream-v0-Base-7B's card; Qwen2.5-7B has just this number",
    ),
    "DiffuGPT-s": Published(
        "diffugpt",
        {"vocab_size": 50257},
        124_439_808,
        "GPT-2's config.json, which it was trained from",
        "not confirmed: the paper says 127M; this is GPT-2's own number",
    ),
    "DiffuGPT-m": Published(
        "diffugpt",
        {"vocab_size": 50258, "n_embd": 1024, "n_layer": 24, "n_head": 16},
        354_824_192,
        "GPT-2 medium's config.json with one token more (DiffuLLaMA's loader.py adds the mask)",
        "model.safetensors of diffusionfamily/diffugpt-m is 710 MB in bfloat16",
    ),
    "DiffuLLaMA": Published(
        "diffullama",
        {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32},
        6_738_415_616,
        "Llama 2 7B's config.json, which it was trained from",
        "4.94 + 4.95 + 3.59 GB of shards of diffusionfamily/diffullama in bfloat16",
    ),
    "LLaDA-MoE-7B-A1B": Published(
        "lladamoe",
        {
            **{"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 16, "num_experts": 64},
            **{"num_key_value_heads": 16, "num_experts_per_tok": 8, "expert_intermediate_size": 1024},
            **{"dense_intermediate_size": 8192, "moe_layer_freq": [1] * 16, "vocab_size": 157184},
            **{"rope_theta": 50000, "rms_norm_eps": 1e-5, "max_position_embeddings": 8192},
        },
        7_356_880_896,
        "inclusionAI/LLaDA-MoE-7B-A1B config.json, as others quote it",
        "just this number in the safetensors metadata, as others read it",
    ),
    "LLaDA2-mini": Published(
        "llada2",
        {
            **{**LLADA2, "hidden_size": 2048, "intermediate_size": 5120, "num_hidden_layers": 20},
            **{"num_attention_heads": 16, "moe_intermediate_size": 512},
        },
        16_255_643_392,
        "inclusionAI/dFactory configs/model_configs/llada2_mini; LLaDA2.1-mini's config.json has the same",
        "just this number in the headers of Ling-mini-2.0, which it was trained from",
    ),
    "LLaDA2-flash": Published(
        "llada2",
        {
            **{**LLADA2, "hidden_size": 4096, "intermediate_size": 9216, "num_hidden_layers": 32},
            **{"num_attention_heads": 32, "moe_intermediate_size": 1024},
        },
        102_889_705_216,
        "inclusionAI/dFactory configs/model_configs/llada2_flash",
        "just this number in the headers of LLaDA2.2-flash, as others read them",
    ),
    "SDAR-1.7B": Published(
        "sdar",
        {
            **{**QWEN, "architectures": ["SDARForCausalLM"], "hidden_size": 2048, "intermediate_size": 6144},
            **{"num_hidden_layers": 28, "num_attention_heads": 16, "tie_word_embeddings": False},
        },
        2_031_739_904,
        "Qwen3-1.7B's config.json, head not tied",
        "model.safetensors of JetLM/SDAR-1.7B-Chat is 4.06 GB in bfloat16",
    ),
    "SDAR-30B-A3B": Published(
        "sdar",
        {
            **{**QWEN, "architectures": ["SDARMoeForCausalLM"], "hidden_size": 2048, "num_hidden_layers": 48},
            **{"num_attention_heads": 32, "num_key_value_heads": 4, "num_experts": 128},
            **{"num_experts_per_tok": 8, "moe_intermediate_size": 768, "intermediate_size": 6144},
            **{"norm_topk_prob": True, "tie_word_embeddings": False},
        },
        30_532_122_624,
        "Qwen3-30B-A3B's config.json",
        "not confirmed for SDAR; Qwen3-30B-A3B's card says 30.5B",
        QWEN3_MOE,
    ),
    "Stable-DiffCoder-8B": Published(
        "stable_diffcoder",
        {
            **{"vocab_size": 155136, "hidden_size": 4096, "intermediate_size": 14336},
            **{"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8},
            "tie_word_embeddings": False,
        },
        8_250_462_208,
        "config.json in a copy of ByteDance-Seed/Stable-DiffCoder-8B-Base",
        "not confirmed: the card says 8B",
    ),
    "Efficient-DLM-4B": Published(
        "efficient_dlm",
        {
            **{**QWEN, "architectures": ["EfficientDLM"], "hidden_size": 2560, "intermediate_size": 9728},
            **{"num_hidden_layers": 36, "num_attention_heads": 32, "max_position_embeddings": 32768},
            **{"block_size": 32, "dlm_arch": "encoder", "attn_implementation": "sdpa"},
            "tie_word_embeddings": False,
        },
        4_411_424_256,
        "nvidia/Efficient-DLM-4B config.json",
        "not confirmed: the card says 4B; Qwen3-4B with its head not tied has just this number",
    ),
    "BERT-base": Published(
        "bert",
        {"architectures": ["BertForMaskedLM"]},
        109_514_298,
        "google-bert/bert-base-uncased config.json: BertConfig's defaults",
        "just this number reported by many who loaded it with its masked-LM head",
        (
            f"bert.{EMBEDDINGS}",
            *(f"bert.encoder.layer.{names}" for names in ENCODER),
            "cls.predictions.{bias,transform.{dense,LayerNorm}.{weight,bias}}",
        ),
    ),
    "RoBERTa-base": Published(
        "bert",
        {
            **{"architectures": ["RobertaForMaskedLM"], "vocab_size": 50265},
            **{"max_position_embeddings": 514, "type_vocab_size": 1},
        },
        124_697_433,
        "FacebookAI/roberta-base config.json",
        "just this number reported by many who loaded it with its masked-LM head",
        (
            f"roberta.{EMBEDDINGS}",
            *(f"roberta.encoder.layer.{names}" for names in ENCODER),
            "lm_head.{bias,{dense,layer_norm}.{weight,bias}}",
        ),
    ),
    "ModernBERT-base": Published(
        "bert",
        {"architectures": ["ModernBertForMaskedLM"]},
        149_655_232,
        "answerdotai/ModernBERT-base config.json: ModernBertConfig's defaults",
        "just this number in its safetensors header, as others read it",
        (
            "{decoder.bias,head.{dense,norm}.weight,model.{final_norm,embeddings.{norm,tok_embeddings}}.weight}",
            "model.layers.N.{attn.{Wqkv,Wo},mlp.{Wi,Wo},attn_norm,mlp_norm}.weight",
        ),
    ),
    "Qwen3-VL-8B": Published(
        "qwen3_vl",
        {
            "text_config": {**QWEN3_VL_TEXT, "hidden_size": 4096, "intermediate_size": 12288},
            "vision_config": {"out_hidden_size": 4096},  # all else is Qwen3VLVisionConfig's default
            "tie_word_embeddings": False,
        },
        8_767_123_696,
        "Qwen/Qwen3-VL-8B-Instruct config.json",
        "just this number in the Hub's count of its safetensors",
        HEAD + QWEN3_VL,
    ),
    "Qwen3-VL-4B": Published(
        "qwen3_vl",
        {
            "text_config": {**QWEN3_VL_TEXT, "hidden_size": 2560, "intermediate_size": 9728},
            "vision_config": {
                **{"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "out_hidden_size": 2560},
                "deepstack_visual_indexes": [5, 11, 17],
            },
            "tie_word_embeddings": True,
        },
        4_437_815_808,
        "Qwen/Qwen3-VL-4B-Instruct config.json",
        "not confirmed: the card says 4B",
    ),
    "MDLM-owt": Published(
        "mdlm",
        OWT,
        169_627_218,
        "kuleshov-group/mdlm-owt config.json",
        "just this number reported by several who loaded it; model.safetensors is 679 MB in float32",
    ),
    "BD3-LM-owt": Published(
        "bd3lm",
        {**OWT, "block_size": 16},
        169_627_218,
        "kuleshov-group/bd3lm-owt-block_size4 config.json, another block",
        "model.safetensors is 679 MB in float32",
    ),
    "SEDD-small": Published(
        "sedd",
        {"tokens": 50257, "model": {**DIT_SMALL, "hidden_size": 768, "length": 1024}},
        169_627_218,
        "louaaron/Score-Entropy-Discrete-Diffusion configs/model/small.yaml",
        "just this number reported by others who loaded it",
    ),
    "SEDD-medium": Published(
        "sedd",
        {
            "tokens": 50257,
            "model": {**DIT_SMALL, "hidden_size": 1024, "length": 1024, "n_blocks": 24, "n_heads": 16},
        },
        424_477_010,
        "louaaron/Score-Entropy-Discrete-Diffusion configs/model/medium.yaml",
        "not confirmed: said to be 424M",
    ),
    "A2D-Qwen3-0.6B": Published(
        "a2d",
        {
            **{**QWEN, "architectures": ["A2DQwen3LMHeadModel"], "model_type": "a2d-qwen3"},
            **{"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28},
            **{"num_attention_heads": 16, "tie_word_embeddings": True},
        },
        596_049_920,
        "Qwen3-0.6B's config.json",
        "just this number reported by many who loaded Qwen3-0.6B, head tied",
    ),
    "DiffusionGemma-26B-A4B": Published(
        "diffusion_gemma",
        {
            "text_config": GEMMA_TEXT,
            "vision_config": {
                **{"model_type": "gemma4_vision", "hidden_size": 1152, "num_hidden_layers": 27},
                **{"intermediate_size": 4304, "num_attention_heads": 16, "num_key_value_heads": 16},
                **{"head_dim": 72, "standardize": True},
            },
            **{"canvas_length": 256, "tie_word_embeddings": True},
        },
        25_823_781_228,
        "google/diffusiongemma-26B-A4B-it config.json, as others quote it; the vision tower from "
        "rnagabh/gemma4-vision-encoder config.json, taken out of Gemma 4",
        "the names are those that NVIDIA-NeMo/Megatron-Bridge tests for revision 0f28bc4; of the values, the "
        "tower's 569,550,384 are in that config.json; all shards of a copy in float16 have 51.7 GB",
    ),
}
