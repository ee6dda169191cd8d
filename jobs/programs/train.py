"""Train a dLLM: `python -m jobs.programs.train RUN_FOLDER`, or the same under torchrun or deepspeed."""

import logging
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerState
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from transformers.trainer import TRAINER_STATE_NAME

from jobs.diffusion import attention
from jobs.diffusion.masked_head import takes
from jobs.diffusion.objectives import Objective, build_objective
from jobs.models import adapters, causal, checkpoint, create
from jobs.models.bidirectional import has_windows
from jobs.models.checkpoint import Checkpoint
from jobs.models.source import locate
from jobs.models.tune import tune
from jobs.programs.generation import positions
from jobs.programs.pictures import picture_reader
from jobs.programs.process import Process, main
from jobs.programs.training import arguments, packages, ranks, rates
from jobs.programs.training.averages import Average
from jobs.programs.training.compiling import compile_layers
from jobs.programs.training.corpus import Corpus, load_corpus
from jobs.programs.training.film import make_film
from jobs.programs.training.fsdp import ShardedTrainer, make_whole, shard
from jobs.programs.training.ranks import StopVote
from jobs.programs.training.reporting import Reporting, peak_memory_mb
from jobs.programs.training.sending import agree, send
from jobs.programs.training.sequence_parallel import layout_of, share_texts
from jobs.programs.training.trackers import Tracker, tracking
from jobs.programs.training.trainer import DiffusionLoss, DiffusionTrainer
from jobs.programs.training.validation import Validation
from jobs.protocol.errors import ModelError, SpecError
from jobs.protocol.events import read_events
from jobs.protocol.folder import CHECKPOINT, RunFolder, is_whole
from jobs.specs.diffusion_config import FILE, DiffusionConfig
from jobs.specs.families import FAMILIES
from jobs.specs.job import TrainSpec
from jobs.specs.objective import objective_for

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def train(process: Process) -> None:
    """The whole job, from the spec to run/model and result.json."""
    spec: TrainSpec = process.spec
    process.phase("starting")
    given = arguments.training_arguments(process)
    packages.check(spec, given.device)
    vote = StopVote(process, given.device)  # reading the device joins the process group
    hf_deepspeed = getattr(given, "hf_deepspeed_config", None)  # kept alive: transformers holds it weakly
    arguments.load_whole_models()
    vote.check()

    process.phase("loading the model")
    start = load_model(spec, weights=process.rank == 0 or not spec.sends_weights)
    spec = process.spec = with_objective(spec, start.config)
    vote.check()
    if spec.optimisation.liger_kernels:
        packages.check_liger(start.model)
    loaded = replace(start, config=trained_config(start.config, spec))
    limit = positions(loaded.model)
    corpus = load_corpus(process, loaded.tokenizer, loaded.config, limit, vote.check, picture_reader(loaded))
    loaded = replace(loaded, model=tune(loaded, spec.tuning, given.device, spec.optimisation.seed))
    arguments.restore_deepspeed(hf_deepspeed)
    if spec.optimisation.compile:
        compile_layers(loaded.model)
    if spec.sends_weights:  # ZeRO stage 3 sends by itself, as it splits
        agree(loaded.model, given.device)
    if spec.launcher.name == "fsdp":
        shard(loaded.model, given.device, spec.launcher.offload_weights, spec.sends_weights)
    elif spec.sends_weights and not spec.launcher.splits_weights:
        send(loaded.model, given.device)
    with tracking(process) as tracker:
        fit(process, given, vote, loaded, corpus, tracker)


def fit(
    process: Process, given: Any, vote: StopVote, loaded: Checkpoint, corpus: Corpus, tracker: Tracker | None
) -> None:
    """From the first step to the saved model."""
    spec: TrainSpec = process.spec
    trainer, reporting = build_trainer(process, given, vote, loaded, corpus, tracker)
    vote.check()
    go(process, trainer)
    step = trainer.state.global_step
    if reporting.stopped:
        process.finish("stopped", **facts(process, trainer, reporting, corpus))
        return
    if spec.optimisation.lr_schedule == "rising":  # a search: its weights are of no use
        rate = rates.suggested(rates.curve(process.run))
        process.finish("succeeded", suggested_rate=rate, **facts(process, trainer, reporting, corpus))
        return
    reporting.finish(step)
    if spec.report.probe_of:
        tell_probe(process, facts(process, trainer, reporting, corpus))
        return
    process.phase("saving the model")
    save(process, trainer, loaded)
    process.finish("succeeded", model="model", **facts(process, trainer, reporting, corpus))


def go(process: Process, trainer: DiffusionTrainer) -> None:
    """Train, from the newest checkpoint where there is one."""
    process.phase("preparing")
    if process.rank == 0:
        remove_broken_checkpoints(process.run)
    resume = process.run.last_checkpoint()
    if resume is None:
        trainer.train()
        return
    process.note(f"Going on from {resume.name}.")
    state = TrainerState.load_from_json(str(resume / TRAINER_STATE_NAME))
    if state.global_step < process.spec.optimisation.steps:
        trainer.train(resume_from_checkpoint=str(resume))
        return
    # Killed after the last step, before the model was saved: the Trainer would train one step too many.
    trainer._load_from_checkpoint(str(resume))
    trainer.model.to(trainer.args.device)
    trainer.load_averages(resume)
    trainer.state = state


def remove_broken_checkpoints(run: RunFolder) -> None:
    """Take away checkpoints that a kill or a full disk cut short; they would count among those kept."""
    if run.checkpoints.is_dir():
        for folder in run.checkpoints.iterdir():
            if CHECKPOINT.match(folder.name) and not is_whole(folder):
                shutil.rmtree(folder)


def load_model(spec: TrainSpec, weights: bool = True) -> Checkpoint:
    """The model to start from, without `weights` where another process will send them.

    Weights are kept in float32 while they are trained; a LoRA's frozen base may stay in bf16.
    Raises: ModelError, SpecError.
    """
    is_causal = spec.objective is not None and build_objective(spec.objective).causal
    if is_causal and spec.report.prompts:
        raise SpecError(
            f"report.prompts: {spec.objective.name} trains a causal model, which unmasks nothing; leave them "
            "out."
        )
    if spec.model.new is not None:
        made = create.create(spec.model.new, spec.optimisation.seed)
        return causal.as_causal(made) if is_causal else made
    if is_causal:
        return causal.load(str(spec.model.path), dtype=held_in(spec), weights=weights)
    refuse_canvases(Path(str(spec.model.path)))
    loaded = checkpoint.load(Path(str(spec.model.path)), dtype=held_in(spec), weights=weights)
    if loaded.tokenizer is None:
        raise ModelError(f"{spec.model.path} has no tokenizer, so it cannot read the data. Copy one there.")
    return loaded


def held_in(spec: TrainSpec) -> checkpoint.Dtype:
    """The number format of the weights while they are trained."""
    half = spec.tuning.method == "lora" and spec.optimisation.precision == "bf16"
    return "bfloat16" if half else "float32"


def refuse_canvases(path: Path) -> None:
    """Raises: SpecError for a model that learns from something else than masks, before it is read."""
    folder = locate(path)
    if (folder / FILE).is_file():
        family, noise = DiffusionConfig.load(folder).family, DiffusionConfig.load(folder).noise
    else:
        found = checkpoint.official_family(folder, str(path))
        family, noise = (found.name, FAMILIES[found.name].noise) if found is not None else ("", "mask")
    if noise != "mask":
        raise SpecError(
            f"{FAMILIES[family].title} cannot be trained here: it learns from canvases of random tokens, and "
            "every objective here masks a text. NVIDIA NeMo AutoModel has a recipe for it."
        )


def with_objective(spec: TrainSpec, config: DiffusionConfig) -> TrainSpec:
    """The spec with an objective: the chosen one, else that of the checkpoint. Raises: SpecError."""
    found = objective_for(spec.objective, config.objective, config.block_size, config.schedule)
    return spec.model_copy(update={"objective": found})


def trained_config(config: DiffusionConfig, spec: TrainSpec) -> DiffusionConfig:
    """The checkpoint's settings with what this training changes."""
    changes: dict[str, Any] = {
        "objective": spec.objective.name,
        "block_size": build_objective(spec.objective).block_size,
        "schedule": getattr(spec.objective, "schedule", "linear"),
    }
    if spec.model.path is not None and not config.source:
        changes["source"] = Path(spec.model.path).name
    return config.model_copy(update=changes)


def build_trainer(
    process: Process,
    given: Any,
    vote: StopVote,
    loaded: Checkpoint,
    corpus: Corpus,
    tracker: Tracker | None = None,
) -> tuple[DiffusionTrainer, Reporting]:
    """The Trainer and what listens to it. Raises: DataError, SpecError for prompts that do not fit."""
    spec: TrainSpec = process.spec
    objective = build_objective(spec.objective)
    if corpus.has_pictures:
        allow_pictures(given, objective)
    use_attention(process, loaded.model, objective, given.device, corpus.collator.separate)
    parts = spec.launcher.sequence_parallel
    layout = layout_of(parts, given.device, given.process_index, given.world_size)
    if parts > 1:
        share_texts(loaded.model, objective, corpus, layout)
    loss = DiffusionLoss(objective, loaded.config, corpus.kind == "messages", layout)
    film = make_film(process, loaded, corpus.kind == "messages")
    decay = spec.optimisation.ema_decay
    average = Average(loaded.model, decay) if decay else None
    validation = Validation(
        corpus.validation,
        corpus.collator,
        loss,
        spec.optimisation.batch_size,
        given.device,
        layout.rank,
        layout.world,
        vote,
    )
    reporting = Reporting(process, vote, validation, film, tracker)
    kind = ShardedTrainer if spec.launcher.name == "fsdp" else DiffusionTrainer
    trainer = kind(
        diffusion_loss=loss,
        spec=spec,
        average=average,
        complete=None if spec.tuning.method == "lora" or objective.causal else model_files(loaded),
        model=loaded.model,
        args=given,
        data_collator=replace(corpus.collator, cut=corpus.kind == "messages" and spec.objective.cut_answers),
        train_dataset=corpus.train,
        processing_class=loaded.tokenizer,
        callbacks=[average, reporting] if average else [reporting],
    )
    trainer.remove_callback(PrinterCallback)
    reporting.trainer = trainer
    return trainer, reporting


def model_files(loaded: Checkpoint) -> Callable[[Path], None]:
    """Adds to what the Trainer saves on the way what the finished model has beside weights and tokenizer."""

    def complete(folder: Path) -> None:
        if loaded.images is not None:
            loaded.images.save(folder)
        loaded.config.save(folder)

    return complete


def allow_pictures(given: Any, objective: Objective) -> None:
    """Prepare for batches of which some have pictures. Raises: SpecError for objectives that cannot."""
    if objective.own_pattern:
        raise SpecError(
            f"objective: {objective.name} attends by a pattern of its own, which does not go with images; "
            "choose mdlm, llada or dream."
        )
    given.ddp_find_unused_parameters = True  # a batch without pictures leaves the encoder unused


def use_attention(
    process: Process, model: Any, objective: Objective, on: torch.device, separate: bool = False
) -> None:
    """Give the model an attention implementation that can do the objective's pattern, and, where they are
    `separate`, that of texts in one sequence. Raises: SpecError for models that cannot keep texts apart."""
    if separate:
        allow_separate(model)
    wanted = attention.implementation_for(
        model, on, objective.own_pattern or separate, positions=process.spec.data.max_length
    )
    if wanted != attention.implementation_of(model):
        model.set_attn_implementation(wanted)
        why = "data.separate_documents" if separate else f"the {objective.name} objective"
        process.note(f"Attention has a pattern of its own ({why}): using {wanted}.")


def allow_separate(model: Any) -> None:
    """Raises: SpecError for models that could not keep the texts of a sequence apart."""
    reason = None
    if not takes(model, "position_ids"):
        reason = f"{type(model).__name__} counts its positions itself"
    elif has_windows(model.config):
        reason = "some of the model's layers see a window only"
    if reason:
        raise SpecError(f"data.separate_documents: {reason}; set it to false.")


def save(process: Process, trainer: DiffusionTrainer, loaded: Checkpoint) -> None:
    """Write run/model: LoRA merged, in the precision of the training."""
    spec: TrainSpec = process.spec
    split = is_deepspeed_zero3_enabled()
    if spec.launcher.name == "fsdp":
        make_whole(trainer.model, keep=process.rank == 0)
    with arguments.whole_weights(trainer.model, split), trainer.evaluated_weights():
        if process.rank == 0:
            model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
            if spec.tuning.method == "lora":
                model = adapters.merge(model)
            model = model.to(DTYPES[spec.optimisation.precision])
            if trainer.diffusion_loss.objective.causal:
                causal.save(model, loaded.tokenizer, process.run.model)
                return
            checkpoint.save(model, loaded.tokenizer, loaded.config, process.run.model, loaded.images)


def tell_probe(process: Process, found: dict[str, Any]) -> None:
    """Say what the whole training will take, as its first steps tell."""
    steps, seconds = process.spec.report.probe_of, found["seconds_per_step"]
    text = (
        f"Probe: {found['peak_memory_mb']:.0f} MiB on each device at most, {seconds:.3g} s a step; "
        f"{steps} steps take about {seconds * steps / 60:.3g} minutes, without validations and saving."
    )
    process.note(text)
    process.finish("succeeded", probe=text, **found)


def facts(
    process: Process, trainer: DiffusionTrainer, reporting: Reporting, corpus: Corpus
) -> dict[str, Any]:
    """What result.json says about a training."""
    step = trainer.state.global_step
    after = reporting.last_score if reporting.scored_at == step else None
    before = reporting.first_score.loss if reporting.first_score else validation_before(process)
    return {
        "steps": step,
        "bad_rows": corpus.bad,
        "train_loss": reporting.last_loss,
        "validation_before": before,
        "validation_after": after.loss if after else None,
        "seconds_per_step": reporting.seconds_per_step(step),
        "peak_memory_mb": peak_memory_mb(trainer.args.device),
    }


def validation_before(process: Process) -> float | None:
    """The validation loss at step 0, which an earlier attempt may have taken."""
    offset = 0
    while True:
        read = list(read_events(process.run.events, offset))
        if not read:
            return None
        for _, event in read:
            if event.get("event") == "metrics" and event.get("step") == 0:
                found = event.get("values", {}).get("validation_loss")
                if found is not None:
                    return found
        offset = read[-1][0]


def program() -> int:
    """The process from its arguments to its exit code."""
    logging.basicConfig(level=logging.WARNING)
    code = main("train", train)
    if code == 0:
        ranks.leave()
    elif ranks.is_distributed():
        # The others may wait for this rank in the middle of a step; its threads must not hold up the exit.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(program())
