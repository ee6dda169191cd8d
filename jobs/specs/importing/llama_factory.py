"""LLaMA-Factory's YAML, and that of DiffuLLaMA's copy of it (stages ddm and ddm-sft).

Names: hiyouga/LLaMA-Factory src/llamafactory/hparams, HKUNLP/DiffuLLaMA
LLaMA-Factory/src/llamafactory/hparams/finetuning_args.py.
"""

from typing import Any

from jobs.protocol.errors import SpecError
from jobs.specs.importing import trainer_arguments
from jobs.specs.importing.base import CHOSEN, LOADING, Import, plain, truth, whole
from jobs.specs.refused import refusal

TITLE: str = "LLaMA-Factory"
OBJECTIVES = {"ddm": "ddm", "ddm-sft": "ddm-sft", "pt": "ar-sft", "sft": "ar-sft"}
DEFAULTS: dict[str, Any] = {
    "learning_rate": 5e-5,
    "lr_scheduler_type": "linear",
    "num_train_epochs": 3,
    "seed": 42,
}
SAMPLING = "about sampling: the sampler diffullama has it"
LEFT = {
    "diffusion_steps": SAMPLING,
    "logits_temp": SAMPLING,
    "topp_temp": SAMPLING,
    "score_temp": "not used by the published training either",
    "shift": "the checkpoint says whether outputs predict the next position",
    "flash_attn": CHOSEN,
    "checkpoint_dir": "the checkpoint to go on from is model.path",
    "adapter_name_or_path": "merge it first: studio convert",
    "use_fast_tokenizer": LOADING,
    "streaming": LOADING,
    "tokenized_path": LOADING,
    "cache_dir": LOADING,
    "eval_dataset": "validation rows are a share of the data: data.validation",
    "mask_history": "an answer is the last message; earlier ones are its prompt",
    "enable_thinking": "the chat template decides",
    "export_dir": "the model is in the run's folder",
    "resize_vocab": "a mask token is added when a causal model is converted",
    "upcast_layernorm": "trained weights are kept in float32",
    "quantization_method": "bitsandbytes' nf4 is the one that is here",
    "double_quantization": "always on",
}


def detect(given: dict[str, Any], script: str) -> bool:
    return "stage" in given and bool({"model_name_or_path", "finetuning_type", "dataset"} & given.keys())


def convert(work: Import) -> None:
    """Raises: SpecError for a stage or method that is not here."""
    stage = str(work.take("stage"))
    if stage not in OBJECTIVES:
        reason = refusal(stage) or f"The stages that are: {', '.join(OBJECTIVES)}."
        raise SpecError(f"stage: {stage} is not among the methods here. {reason}")
    name = OBJECTIVES[stage]
    work.put("model.path", work.take("model_name_or_path"))
    work.put("objective.name", name)
    if name == "ar-sft":
        work.notes.append(
            f"Stage {stage} trains a causal model, and so does ar-sft. For a diffusion model convert it "
            "first (studio convert) and choose another objective."
        )
        work.leave("anneal_steps", "a causal model keeps its mask")
    else:
        work.put("objective.anneal_steps", whole("anneal_steps", work.take("anneal_steps")))
    _data(work, text=stage in ("ddm", "pt"))
    _tuning(work)
    _optimizers(work)
    work.leave_all(LEFT)
    trainer_arguments.convert(work, DEFAULTS)


def _data(work: Import, text: bool) -> None:
    names = [name.strip() for name in str(work.take("dataset", "")).split(",") if name.strip()]
    work.put("data.path", " + ".join(names) or None)
    folder = work.take("dataset_dir", "data")
    if names:
        work.put("data.info", f"{folder}/dataset_info.json")
    work.put("data.format", "text" if text else None)
    work.put("data.max_length", whole("cutoff_len", work.take("cutoff_len", 2048)))
    work.put("data.limit", whole("max_samples", work.take("max_samples")))
    packing = work.take("packing")
    if text:
        work.put("data.packing", truth(packing) if packing is not None else None)
    elif packing is not None and truth(packing):
        work.leave("packing", "a conversation is a sequence of its own", packing)
    held_out = plain(work.take("val_size"))
    if held_out is not None and float(held_out) >= 1:
        work.leave("val_size", "a number of rows; data.validation is a share", held_out)
    else:
        work.put("data.validation", held_out)
    work.leave("template", "the tokenizer's own chat template is used, or data.template")
    work.leave("mix_strategy", "data sets are joined by +, with a weight before each: 0.5 * name")
    work.leave("interleave_probs", "data sets are joined by +, with a weight before each: 0.5 * name")


def _tuning(work: Import) -> None:
    method = str(work.take("finetuning_type", "lora"))
    if method not in ("full", "lora", "freeze"):
        raise SpecError(f"finetuning_type: {method} is not here; there are full, lora and freeze.")
    work.put("tuning.method", {"full": "full", "lora": "lora", "freeze": "layers"}[method])
    if method == "lora":
        _lora(work)
    if method == "freeze":
        layers = whole("freeze_trainable_layers", work.take("freeze_trainable_layers", 2))
        if truth(work.take("use_llama_pro")):
            work.put("tuning.method", "expand")
        work.put("tuning.layers", layers)
        modules = str(work.take("freeze_extra_modules", ""))
        work.put("tuning.modules_to_save", modules or None)
        work.leave("freeze_trainable_modules", "whole layers are trained")


def _lora(work: Import) -> None:
    rank = whole("lora_rank", work.take("lora_rank", 8))
    work.put("tuning.rank", rank)
    work.put("tuning.alpha", plain(work.take("lora_alpha", 2 * (rank or 8))))
    work.put("tuning.dropout", plain(work.take("lora_dropout")))
    targets = str(work.take("lora_target", "all"))
    work.put("tuning.targets", "all-linear" if targets == "all" else targets)
    work.put("tuning.modules_to_save", work.take("additional_target"))
    work.put("tuning.lora_plus", plain(work.take("loraplus_lr_ratio")))
    for key, place in (("use_rslora", "rslora"), ("use_dora", "dora")):
        work.put(f"tuning.{place}", True if truth(work.take(key)) else None)
    if truth(work.take("pissa_init")):
        work.put("tuning.start", "pissa")
    bits = whole("quantization_bit", work.take("quantization_bit"))
    if bits == 4:
        work.put("tuning.quantize", "4bit")
    else:
        work.leave("quantization_bit", "only 4 bits are here", bits)


def _optimizers(work: Import) -> None:
    if truth(work.take("use_badam")):
        raise SpecError(f"use_badam: {refusal('badam')}")
    for name in ("galore", "apollo", "adam_mini", "muon"):
        if truth(work.take(f"use_{name}")):
            work.take("optim")
            work.put("optimisation.optimizer", name)
            work.put("optimisation.optimizer_rank", whole(f"{name}_rank", work.take(f"{name}_rank")))
    work.put("optimisation.liger_kernels", True if truth(work.take("enable_liger_kernel")) else None)
    if truth(off := work.take("disable_gradient_checkpointing", False)):
        work.put("optimisation.gradient_checkpointing", False)
    elif off is not None and "gradient_checkpointing" not in work.given:
        work.put("optimisation.gradient_checkpointing", True)  # LLaMA-Factory has it on unless told otherwise
