"""LLaDA's config.json: the shape of a model, to be pre-trained anew as LLaDA was.

ML-GSAI/LLaDA GUIDELINES.md, Pre-training; the keys are those of GSAI-ML/LLaDA-8B-Base. The authors publish no
file of their training, so what a config does not hold comes from their paper (Nie et al. 2025, arXiv
2502.09992, section 2.2): 4096 tokens, 1 % of the batches cut, AdamW with weight decay 0.1, 2000 steps of
warmup to 4e-4, which then stays for most of the way."""

from typing import Any

from jobs.specs.importing.base import PLACEHOLDER, Import, whole

TITLE: str = "LLaDA"
SHAPE = (
    *("activation_type", "alibi", "alibi_bias_max", "attention_dropout", "attention_layer_norm"),
    *("attention_layer_norm_with_affine", "bias_for_layer_norm", "block_group_size", "block_type", "d_model"),
    *(
        "embedding_dropout",
        "embedding_size",
        "flash_attention",
        "include_bias",
        "include_qkv_bias",
        "init_cutoff_factor",
    ),
    *("init_device", "init_fn", "init_std", "input_emb_norm", "layer_norm_type", "layer_norm_with_affine"),
    *(
        "mask_token_id",
        "max_sequence_length",
        "mlp_hidden_size",
        "mlp_ratio",
        "multi_query_attention",
        "n_heads",
    ),
    *("n_kv_heads", "n_layers", "pad_token_id", "eos_token_id", "residual_dropout", "rms_norm_eps", "rope"),
    *("rope_full_precision", "rope_theta", "scale_logits", "vocab_size", "weight_tying", "use_cache"),
)
SIZES = (
    "d_model",
    "n_layers",
    "n_heads",
    "n_kv_heads",
    "mlp_hidden_size",
    "max_sequence_length",
    "rope_theta",
)
TOKENIZER = "GSAI-ML/LLaDA-8B-Base"


def detect(given: dict[str, Any], script: str) -> bool:
    classes = str(given.get("architectures", ""))
    return (
        given.get("model_type") == "llada"
        or "LLaDAModelLM" in classes
        or {"d_model", "n_layers"} <= given.keys()
    )


def convert(work: Import) -> None:
    """Raises: SpecError for numbers that are none."""
    sizes = {key: work.take(key) for key in SIZES}
    work.put("model.new.family", "llada")
    work.put("model.new.config", {key: value for key, value in sizes.items() if value is not None})
    work.put("model.new.tokenizer", TOKENIZER)
    work.put("data.path", PLACEHOLDER)
    work.put("data.format", "text")
    work.put("data.max_length", whole("max_sequence_length", sizes["max_sequence_length"]) or 4096)
    work.put("objective.name", "llada")
    work.put("objective.random_length_ratio", 0.01)
    work.put("optimisation.learning_rate", 4e-4)
    work.put("optimisation.weight_decay", 0.1)
    work.put("optimisation.warmup_steps", 2000)
    work.put("optimisation.lr_schedule", "constant")
    work.put("optimisation.precision", "bf16")
    work.notes.append(f"A config has no data: put the name of yours in place of {PLACEHOLDER}.")
    work.notes.append(
        "To fine-tune the published weights, put their folder into model.path and leave out model.new."
    )
    for key in SHAPE:
        work.leave(key, "the family has the published models' value")
    for key in (
        "architectures",
        "auto_map",
        "model_type",
        "transformers_version",
        "torch_dtype",
        "_name_or_path",
    ):
        work.leave(key, "says which code reads the file; the family llada does here")
