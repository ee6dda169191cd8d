"""The arguments of Hugging Face's Trainer, which LLaMA-Factory and dLLM share, with its own defaults."""

from pathlib import PurePath
from typing import Any

from jobs.specs.importing.base import CHOSEN, LOADING, OWN_FOLDER, SHOWN, Import, plain, truth, whole

SAME = {
    "learning_rate": "optimisation.learning_rate",
    "weight_decay": "optimisation.weight_decay",
    "max_grad_norm": "optimisation.max_grad_norm",
    "adam_beta2": "optimisation.beta2",
    "seed": "optimisation.seed",
    "neftune_noise_alpha": "optimisation.neftune_alpha",
    "gradient_checkpointing": "optimisation.gradient_checkpointing",
    "use_liger_kernel": "optimisation.liger_kernels",
    "save_total_limit": "report.keep_checkpoints",
}
INSTEAD = {"num_train_epochs": "max_steps", "warmup_ratio": "warmup_steps"}  # default -> what overrides it
SCHEDULES = {
    "cosine": "cosine",
    "linear": "linear",
    "constant": "constant",
    "constant_with_warmup": "constant",
}
OPTIMIZERS = {
    "adamw_torch": "adamw",
    "adamw_torch_fused": "adamw",
    "adamw_hf": "adamw",
    "adamw_8bit": "adamw_8bit",
    "adamw_bnb_8bit": "adamw_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
    "lion_8bit": "lion",
    "adafactor": "adafactor",
    "galore_adamw": "galore",
    "apollo_adamw": "apollo",
    "schedule_free_adamw": "schedule_free",
}
LEFT = {
    "output_dir": OWN_FOLDER,
    "overwrite_output_dir": OWN_FOLDER,
    "run_name": OWN_FOLDER,
    "logging_dir": OWN_FOLDER,
    "plot_loss": SHOWN,
    "logging_first_step": "the first step is always told",
    "resume_from_checkpoint": "studio resume goes on from a run's last checkpoint",
    "do_train": "that is what a train spec does",
    "do_eval": "validation is report.evaluate_every",
    "do_predict": "answers are a job of their own: studio sample",
    "predict_with_generate": "answers are a job of their own: studio sample",
    "ddp_timeout": "an hour",
    "ddp_find_unused_parameters": CHOSEN,
    "dataloader_num_workers": LOADING,
    "dataloader_pin_memory": CHOSEN,
    "preprocessing_num_workers": LOADING,
    "num_proc": LOADING,
    "overwrite_cache": LOADING,
    "remove_unused_columns": LOADING,
    "group_by_length": "rows are shuffled",
    "per_device_eval_batch_size": "validation takes optimisation.batch_size",
    "eval_strategy": "validation comes every report.evaluate_every steps",
    "evaluation_strategy": "validation comes every report.evaluate_every steps",
    "save_only_model": "a checkpoint always has what a resume needs",
    "save_safetensors": "weights are always safetensors",
    "tf32": CHOSEN,
    "local_rank": "the launcher sets it",
    "trust_remote_code": "no model's own code is run here",
}


def convert(work: Import, defaults: dict[str, Any]) -> None:
    """Optimisation, report and launcher. `defaults` are the project's own for what the file leaves out.

    Raises: SpecError for numbers that are none.
    """
    for key, value in defaults.items():
        if INSTEAD.get(key) not in work.given:
            work.given.setdefault(key, value)
    if work.processes > 1:
        work.put("launcher.processes", work.processes)
        work.data["launcher"].setdefault("name", "torchrun")
    _deepspeed(work)
    work.copy(SAME)
    batch = whole("per_device_train_batch_size", work.take("per_device_train_batch_size", 8))
    parts = whole("gradient_accumulation_steps", work.take("gradient_accumulation_steps", 1))
    work.put("optimisation.batch_size", batch)
    work.put("optimisation.gradient_accumulation", parts)
    _length(work, (batch or 1) * (parts or 1) * work.processes)
    _named(work, "lr_scheduler_type", "optimisation.lr_schedule", SCHEDULES)
    _named(work, "optim", "optimisation.optimizer", OPTIMIZERS)
    _precision(work)
    _intervals(work)
    told = work.take("report_to", "none")
    if told in ("none", "tensorboard", "wandb", "trackio"):
        work.put("report.report_to", None if told == "none" else told)
    else:
        work.leave("report_to", "there are tensorboard, wandb and trackio", told)
    work.leave_all(LEFT)


def _length(work: Import, together: int) -> None:
    steps = whole("max_steps", work.take("max_steps"))
    epochs = work.take("num_train_epochs")
    if steps is not None and steps > 0:
        work.put("optimisation.steps", steps)
        work.leave("num_train_epochs", "max_steps says it already", epochs)
    else:
        work.steps("num_train_epochs", epochs, together)
    warmup, ratio = whole("warmup_steps", work.take("warmup_steps")), work.take("warmup_ratio")
    work.put("optimisation.warmup_steps", warmup)
    if not warmup:
        work.warmup("warmup_ratio", ratio)
    else:
        work.leave("warmup_ratio", "warmup_steps says it already", ratio)


def _named(work: Import, key: str, place: str, names: dict[str, str]) -> None:
    given = work.take(key)
    if given is None:
        return
    if given in names:
        work.put(place, names[given])
    else:
        work.leave(key, f"not among those here: {', '.join(dict.fromkeys(names.values()))}", given)


def _precision(work: Import) -> None:
    if truth(work.take("bf16")):
        work.put("optimisation.precision", "bf16")
    if truth(half := work.take("fp16")):
        work.put("optimisation.precision", "bf16")
        work.leave("fp16", "bf16 is taken instead: it has as many bits and does not overflow", half)
    for key in ("pure_bf16", "bf16_full_eval"):
        work.leave(key, "trained weights are kept in float32")


def _intervals(work: Import) -> None:
    for key, place in (
        ("logging_steps", "report.log_every"),
        ("save_steps", "report.save_every"),
        ("eval_steps", "report.evaluate_every"),
    ):
        given = plain(work.take(key))
        if isinstance(given, float) and given < 1:
            work.leave(key, "a share of the steps; here it is a number of steps", given)
        else:
            work.put(place, whole(key, given))
    if work.take("save_strategy") in ("epoch", "no"):
        work.data.get("report", {}).pop("save_every", None)


def _deepspeed(work: Import) -> None:
    """LLaMA-Factory's files are named after what they do: ds_z3_offload_config.json."""
    given = work.take("deepspeed")
    if given is None:
        return
    name = PurePath(str(given)).name.lower()
    stage = next((n for n in range(4) if f"z{n}" in name or f"zero{n}" in name or f"stage{n}" in name), None)
    if stage is None:
        work.leave(
            "deepspeed", "the file's name does not tell the ZeRO stage: set launcher.zero_stage", given
        )
        return
    work.put("launcher.name", "deepspeed")
    work.put("launcher.zero_stage", stage)
    if "offload" in name and stage > 0:
        work.put("launcher.offload", True)
        work.put("launcher.offload_weights", True if stage == 3 else None)
