"""A TrainSpec as the Trainer's own arguments, and as DeepSpeed's config file."""

import os
import socket
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from transformers.integrations.deepspeed import set_hf_deepspeed_config, unset_hf_deepspeed_config

from jobs.programs import device
from jobs.programs.process import Process
from jobs.protocol.folder import write_json
from jobs.specs.job import TrainSpec
from jobs.specs.optimisation import OptimisationSpec

DEEPSPEED_FILE = "deepspeed.json"
LIGER = {"fused_linear_cross_entropy": False, "cross_entropy": False}
"""Our own loss computes the vocabulary matrix (jobs.diffusion.masked_head); Liger's would take its place."""
RANK_TIMEOUT = 3600  # seconds that ranks wait while rank 0 unmasks the prompts


def training_arguments(process: Process) -> TrainingArguments:
    """The Trainer's arguments. Reading `.device` from the result joins the process group.

    Raises: ResourceError where the spec asks for a GPU and there is none.
    """
    spec: TrainSpec = process.spec
    o, report = spec.optimisation, spec.report
    on_cpu = device.pick(spec.launcher).type == "cpu"
    if on_cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # accelerate imports DeepSpeed, which warns otherwise
    return TrainingArguments(
        output_dir=str(process.run.checkpoints),
        max_steps=o.steps,
        per_device_train_batch_size=o.batch_size,
        gradient_accumulation_steps=o.gradient_accumulation,
        learning_rate=o.learning_rate,
        lr_scheduler_type=_schedule(o),
        warmup_steps=o.warmup_steps,
        weight_decay=o.weight_decay,
        adam_beta2=o.beta2,
        max_grad_norm=o.max_grad_norm,
        optim="adamw_torch",  # the others are made by jobs.programs.training.optimizers
        neftune_noise_alpha=o.neftune_alpha or None,
        use_liger_kernel=o.liger_kernels,
        liger_kernel_config=LIGER if o.liger_kernels else None,
        bf16=o.precision == "bf16",
        seed=o.seed,
        data_seed=o.seed,
        logging_steps=report.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a loss that is not a number must be seen, not averaged away
        save_strategy="steps" if report.save_every else "no",
        save_steps=report.save_every or o.steps,
        save_total_limit=report.keep_checkpoints,
        eval_strategy="no",  # our own validation has fixed masks
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        ddp_timeout=RANK_TIMEOUT,
        disable_tqdm=True,
        report_to="none",
        deepspeed=_deepspeed(process) if spec.launcher.name == "deepspeed" else None,
        **_gradient_checkpointing(o),
    )


def _schedule(o: OptimisationSpec) -> str:
    """The name that transformers has for it: its "constant" knows no warmup."""
    if o.lr_schedule == "rising":  # DiffusionTrainer.create_scheduler makes it
        return "constant"
    own = o.optimizer == "schedule_free"  # warms up on its own
    return "constant_with_warmup" if o.lr_schedule == "constant" and not own else o.lr_schedule


def _gradient_checkpointing(o: OptimisationSpec) -> dict[str, Any]:
    if not o.gradient_checkpointing:
        return {}
    # transformers 5.2x gave the argument a new name and warns of the old one.
    new = "activation_checkpointing" in TrainingArguments.__dataclass_fields__
    name = "activation_checkpointing" if new else "gradient_checkpointing"
    options: dict[str, Any] = {"use_reentrant": False}
    if o.offload_activations:
        options["offload"] = True
    return {name: True, f"{name}_kwargs": options}


def load_whole_models() -> None:
    """Undo what TrainingArguments does under ZeRO stage 3: models loaded from now on are whole on each rank.

    DeepSpeed splits the model when training begins; loading into split tensors would hide missing ones.
    """
    unset_hf_deepspeed_config()


def restore_deepspeed(config: Any) -> None:
    """Tell transformers about DeepSpeed again, after `load_whole_models`."""
    if config is not None:
        set_hf_deepspeed_config(config)


def whole_weights(model: Any, split: bool) -> AbstractContextManager[Any]:
    """Inside, rank 0 has all weights of a model that ZeRO stage 3 has split; every rank must enter."""
    if not split:
        return nullcontext()
    import deepspeed  # noqa: PLC0415 - slow to import and needed by one launcher only

    return deepspeed.zero.GatheredParameters(list(model.parameters()), modifier_rank=0)


def _deepspeed(process: Process) -> str:
    """Write DeepSpeed's config into the attempt folder and prepare the environment that it reads."""
    # DeepSpeed builds its CPU communication with ninja, which it looks for on PATH.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if "WORLD_SIZE" not in os.environ:  # started by hand, without a launcher
        os.environ.update(
            RANK="0", LOCAL_RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(_free_port())
        )
    path = process.attempt.path / DEEPSPEED_FILE
    config = deepspeed_config(process.spec)
    if process.rank == 0:
        write_json(path, config)
        return str(path)
    return config  # type: ignore[return-value]  # other ranks may be faster than the file


def deepspeed_config(spec: TrainSpec) -> dict[str, Any]:
    """DeepSpeed's settings. Torch's own AdamW: DeepSpeed's are compiled at first use, which needs nvcc on a
    GPU machine. Other optimizers, and groups with rates of their own, the Trainer makes and hands over."""
    o, launcher = spec.optimisation, spec.launcher
    zero: dict[str, Any] = {"stage": launcher.zero_stage}
    if launcher.offload and launcher.zero_stage > 0:
        zero["offload_optimizer"] = {"device": "cpu"}
    if launcher.offload_weights:
        zero["offload_param"] = {"device": "cpu"}
    if launcher.zero_stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    own = o.optimizer == "adamw" and spec.tuning.lora_plus == 1
    chosen = {"optimizer": _adamw(o)} if own else {"zero_allow_untested_optimizer": True}
    return {
        "train_micro_batch_size_per_gpu": o.batch_size,
        "gradient_accumulation_steps": o.gradient_accumulation,
        "gradient_clipping": o.max_grad_norm,
        "bf16": {"enabled": o.precision == "bf16"},
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
        **chosen,
    }


def _adamw(o: OptimisationSpec) -> dict[str, Any]:
    options = {"lr": o.learning_rate, "betas": [0.9, o.beta2], "eps": 1e-8, "weight_decay": o.weight_decay}
    return {"type": "AdamW", "params": {**options, "torch_adam": True}}


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
