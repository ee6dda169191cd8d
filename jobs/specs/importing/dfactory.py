"""dFactory's YAML: VeOmni's groups model, data and train (inclusionAI/dFactory configs/sft,
tasks/train_llada2_bd.py)."""

from typing import Any

from jobs.protocol.counted import counted
from jobs.specs.importing.base import CHOSEN, LOADING, OWN_FOLDER, Import, plain, truth, whole

TITLE: str = "dFactory"
MARKS = (
    "train.block_diffusion_mode",
    "train.same_token_labels",
    "data.noise_range_low",
    "train.lr_decay_style",
)
SAME = {
    "data.max_seq_len": "data.max_length",
    "data.noise_range_low": "objective.noise_range_low",
    "data.noise_range_high": "objective.noise_range_high",
    "train.block_size": "objective.block_size",
    "train.confidence_beta": "objective.confidence_beta",
    "train.lr": "optimisation.learning_rate",
    "train.weight_decay": "optimisation.weight_decay",
    "train.beta2": "optimisation.beta2",
    "train.max_grad_norm": "optimisation.max_grad_norm",
    "train.enable_gradient_checkpointing": "optimisation.gradient_checkpointing",
    "train.enable_activation_offload": "optimisation.offload_activations",
    "train.seed": "optimisation.seed",
    "train.log_steps": "report.log_every",
    "train.save_steps": "report.save_every",
}
LEFT = {
    "model.config_path": "the config is read beside the weights",
    "model.tokenizer_path": "the tokenizer is read beside the weights",
    "model.attn_implementation": CHOSEN,
    "model.moe_implementation": "experts are merged in memory",
    "data.data_type": "the form of the rows is detected",
    "data.datasets_type": LOADING,
    "data.dataloader_type": LOADING,
    "data.num_workers": LOADING,
    "data.drop_last": LOADING,
    "data.pin_memory": LOADING,
    "data.prefetch_factor": LOADING,
    "train.output_dir": OWN_FOLDER,
    "train.rmpad": "rows are filled with trained end-of-text tokens",
    "train.rmpad_with_pos_ids": "rows are filled with trained end-of-text tokens",
    "train.bsz_warmup_ratio": "a batch has the same number of rows in every step",
    "train.dyn_bsz_margin": "a batch has the same number of rows in every step",
    "train.dyn_bsz_buffer_size": "a batch has the same number of rows in every step",
    "train.beta1": "always 0.9",
    "train.lr_decay_ratio": "the rate falls over all steps",
    "train.lr_min": "the rate falls to 0",
    "train.lr_start": "the rate rises from 0",
    "train.init_device": CHOSEN,
    "train.broadcast_model_weights_from_rank0": CHOSEN,
    "train.enable_full_determinism": "the same seed gives the same rows and noise",
    "train.enable_full_shard": "fsdp always splits weights, gradients and optimizer states",
    "train.empty_cache_steps": CHOSEN,
    "train.ckpt_manager": "checkpoints have one form",
    "train.load_checkpoint_path": "studio resume goes on from a run's last checkpoint",
    "train.save_epochs": "checkpoints come every report.save_every steps",
    "train.save_hf_weights": "the result is a folder of safetensors; studio convert writes the official form",
    "train.wandb_project": "the project is chosen by WANDB_PROJECT in the environment",
    "train.wandb_name": "a run has its own name",
}


def detect(given: dict[str, Any], script: str) -> bool:
    return any(mark in given for mark in MARKS)


def convert(work: Import) -> None:
    """Raises: SpecError for numbers that are none."""
    work.put("model.path", work.take("model.model_path"))
    work.put("data.path", work.take("data.train_path"))
    keys = work.take("data.text_keys", "messages")
    if keys != "messages":
        work.put("data.columns", {"messages": keys})
    work.put("objective.name", "dfactory")
    work.put("objective.block_diffusion", truth(work.take("train.block_diffusion_mode", False)))
    if not truth(labels := work.take("train.same_token_labels", False)):
        work.leave(
            "train.same_token_labels", "the checkpoint says whether outputs predict the next position", labels
        )
    work.copy(SAME)
    _batches(work)
    _schedule(work)
    _devices(work)
    if truth(work.take("train.use_wandb", False)):
        work.put("report.report_to", "wandb")
    work.leave_all(LEFT)


def _batches(work: Import) -> None:
    micro = whole("train.micro_batch_size", work.take("train.micro_batch_size", 1)) or 1
    together = (
        whole("train.global_batch_size", work.take("train.global_batch_size")) or micro * work.processes
    )
    work.put("optimisation.batch_size", micro)
    work.put("optimisation.gradient_accumulation", max(1, together // (micro * work.processes)))
    work.notes.append(
        f"{counted(together, 'sequence')} a step, on {counted(work.processes, 'process', 'processes')}: "
        "with another number (--processes) gradient_accumulation changes too."
    )
    work.steps("train.num_train_epochs", work.take("train.num_train_epochs"), together)
    work.warmup("train.lr_warmup_ratio", work.take("train.lr_warmup_ratio"))


def _schedule(work: Import) -> None:
    style = work.take("train.lr_decay_style", "constant")
    if style in ("cosine", "linear", "constant"):
        work.put("optimisation.lr_schedule", style)
    else:
        work.leave("train.lr_decay_style", "there are cosine, linear and constant", style)
    optimizer = work.take("train.optimizer", "adamw")
    if optimizer != "adamw":
        work.leave("train.optimizer", "see optimisation.optimizer for those that are here", optimizer)
    work.put("optimisation.precision", "bf16")
    work.leave("train.enable_mixed_precision", "bf16 with float32 weights, which is what it does")


def _devices(work: Import) -> None:
    mode = work.take("train.data_parallel_mode", "ddp")
    offload = truth(work.take("train.enable_fsdp_offload", False))
    if work.processes > 1:
        work.put("launcher.processes", work.processes)
        work.put("launcher.name", "torchrun" if mode == "ddp" else "fsdp")
        work.put("launcher.offload_weights", True if offload and mode != "ddp" else None)
    else:
        work.leave("train.data_parallel_mode", "one process; import with --processes for more", mode)
        work.leave(
            "train.enable_fsdp_offload", "one process; import with --processes for more", offload or None
        )
    shared = whole("train.ulysses_parallel_size", work.take("train.ulysses_parallel_size", 1)) or 1
    work.put("launcher.sequence_parallel", shared if shared > 1 else None)
    for key in (
        "tensor_parallel_size",
        "expert_parallel_size",
        "pipeline_parallel_size",
        "context_parallel_size",
    ):
        size = plain(work.take(f"train.{key}", 1))
        if size != 1:
            work.leave(f"train.{key}", "models are split by fsdp or deepspeed", size)
