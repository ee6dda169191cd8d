"""dLLM's arguments: a command line of its examples, or its dataclasses as YAML or JSON
(ZHZisZZ/dllm dllm/utils/configs.py, examples/*/{pt,sft}.py)."""

import re
from pathlib import PurePath
from typing import Any

from jobs.protocol.errors import SpecError
from jobs.specs.importing import trainer_arguments
from jobs.specs.importing.base import CHOSEN, LOADING, Import, plain, truth, whole

TITLE: str = "dLLM"
DEFAULTS: dict[str, Any] = {
    "learning_rate": 2e-5,
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.1,
    "num_train_epochs": 10,
    "per_device_train_batch_size": 4,
    "bf16": True,
    "seed": 42,
}
MARKS = {
    "dataset_args",
    "mask_prompt_loss",
    "perbatch_cutoff",
    "time_epsilon",
    "loss_norm_type",
    "right_shift_logits",
}
CART = re.compile(r"cart(\[geo_p:(?P<p>[\d.]+)\])?")
SCHEDULERS = {"LinearAlphaScheduler": "linear", "CosineAlphaScheduler": "cosine"}
LEFT = {
    "right_shift_logits": "the checkpoint says whether outputs predict the next position",
    "load_preprocessed_data": LOADING,
    "streaming": LOADING,
    "truncation": "texts are cut or packed: data.packing",
    "resp_cutoff_ratio": "batches are cut before they are filled: objective.cut_answers",
    "attn_implementation": CHOSEN,
    "dtype": CHOSEN,
    "group_by_length": "rows are shuffled",
    "disable_caching": LOADING,
    "text_field": "data.columns gives fields other names",
    "insert_eos": "data.append_eos closes every text",
    "drop_tail": "a rest that fills no sequence is left out",
}


def detect(given: dict[str, Any], script: str) -> bool:
    if re.search(r"examples/.+\.py$", script):
        return True
    return "dataset_args" in given or ("model_name_or_path" in given and bool(MARKS & given.keys()))


def convert(work: Import) -> None:
    """Raises: SpecError for a trainer that is not here."""
    name = objective_of(work.given, work.script)
    work.put("model.path", work.take("model_name_or_path"))
    work.put("objective.name", name)
    _data(work)
    _objective(work, name)
    _lora(work)
    _launcher(work)
    work.leave_all(LEFT)
    trainer_arguments.convert(work, DEFAULTS)
    if "a2d" in work.script:
        work.notes.append("The examples of a2d start from a causal model: convert it first (studio convert).")


def objective_of(given: dict[str, Any], script: str) -> str:
    """What is trained, by the script's folder, else by an argument that only one trainer has.

    Raises: SpecError.
    """
    for part in ("editflow", "grpo", "diffusiongemma"):
        if part in script:
            raise SpecError(f"{script}: {part} is not among the methods here; see docs/objectives.md.")
    if "bd3lm" in script or "block_size" in given:
        return "bd3lm"
    if "dream" in script or str(given.get("loss_weight_type", "")).startswith("cart"):
        return "dream"
    return "mdlm"


def _data(work: Import) -> None:
    work.put("data.path", work.take("dataset_args"))
    text = re.search(r"\bpt\.py$", work.script) is not None
    work.put("data.format", "text" if text else None)
    work.put("data.max_length", whole("max_length", work.take("max_length", 1024)))
    if not truth(prompts := work.take("mask_prompt_loss", True)):
        work.leave(
            "mask_prompt_loss", "the prompt of a conversation is never masked; use rows of text", prompts
        )


def _objective(work: Import, name: str) -> None:
    work.put("objective.block_size", whole("block_size", work.take("block_size")))
    if name == "bd3lm":
        work.put("objective.noise_per", "sequence")
        work.put("objective.antithetic", False)
        work.put("objective.noise_range_low", plain(work.take("time_epsilon")))
    else:
        work.put("objective.time_epsilon", plain(work.take("time_epsilon")))
        work.put("objective.antithetic", False if name == "mdlm" else None)
    work.put("objective.loss_norm_type", work.take("loss_norm_type"))
    weight = work.take("loss_weight_type")
    if weight is not None and (cart := CART.fullmatch(str(weight))):
        work.put("objective.loss_weight_type", "cart")
        work.put("objective.geo_p", float(cart["p"]) if cart["p"] else None)
    else:
        work.put("objective.loss_weight_type", weight)
    cut = work.take("perbatch_cutoff", name == "dream" or None)
    work.put("objective.cut_answers", truth(cut) if cut is not None else None)
    ratio = plain(work.take("random_length_ratio"))
    work.put("objective.random_length_ratio", ratio)
    schedule = work.take("alpha_scheduler", work.take("scheduler_cls"))
    if schedule is not None:
        work.put("objective.schedule", SCHEDULERS.get(str(schedule), str(schedule)))


def _launcher(work: Import) -> None:
    """accelerate's files in dLLM are named after what they do: ddp, zero2, zero3, fsdp."""
    count = whole("num_processes", work.take("num_processes"))
    work.processes = count or work.processes
    for key in ("config_file", "accelerate_config"):
        given = work.take(key)
        name = PurePath(str(given or "ddp")).stem
        zero = re.fullmatch(r"zero(\d)", name)
        if zero:
            work.put("launcher.name", "deepspeed")
            work.put("launcher.zero_stage", int(zero[1]))
        elif name == "fsdp" and work.processes > 1:
            work.put("launcher.name", "fsdp")
        elif name == "fsdp":
            work.leave(key, "one process; import with --processes for more", given)
        elif name != "ddp":
            work.leave(key, "accelerate's file says how to launch: set launcher", given)


def _lora(work: Import) -> None:
    lora = truth(work.take("lora", False))
    settings = ("r", "lora_alpha", "lora_dropout", "target_modules", "modules_to_save")
    rank, alpha, dropout, targets, whole_modules = (work.take(key) for key in settings)
    four = truth(work.take("load_in_4bit", False))
    if not lora:
        for key, value in zip(settings, (rank, alpha, dropout, targets, whole_modules), strict=True):
            work.leave(key, "lora is off", value)
        if four:
            work.leave("load_in_4bit", "only frozen weights may have 4 bits: turn lora on", True)
        return
    work.put("tuning.method", "lora")
    work.put("tuning.rank", whole("r", rank) or 32)
    work.put("tuning.alpha", plain(alpha) if alpha is not None else 64)
    work.put("tuning.dropout", plain(dropout) if dropout is not None else 0.05)
    work.put("tuning.targets", targets or "all-linear")
    work.put("tuning.modules_to_save", whole_modules)
    work.put("tuning.quantize", "4bit" if four else None)
