"""The pieces of a training: noise that can be drawn again, validation, settings, batches."""

from dataclasses import replace

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from jobs.data.collate import Collator
from jobs.data.encode import Sequence
from jobs.diffusion.objectives import build_objective
from jobs.models import checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.programs.process import Process
from jobs.programs.train import allow_separate, load_model
from jobs.programs.training import arguments, ranks
from jobs.programs.training import validation as validation_module
from jobs.programs.training.corpus import for_objective, load_corpus, make_collator
from jobs.programs.training.trainer import DiffusionLoss, Meter
from jobs.programs.training.validation import Validation
from jobs.protocol.errors import ModelError, ResourceError, SpecError
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder
from jobs.specs.job import TrainSpec
from jobs.specs.objective import LLaDAObjective, MDLMObjective

CPU = torch.device("cpu")


def train_spec(**changes):
    return TrainSpec.parse(
        {
            "kind": "train",
            "model": {"path": "m"},
            "data": {"path": "d.jsonl"},
            "launcher": {"device": "cpu"},
            **changes,
        }
    )


def process_of(tmp_path, spec):
    run = RunFolder.create(tmp_path / "runs", "train", spec.model_dump(mode="json"))
    return Process(run, run.new_attempt(), spec)


def notes(process):
    return [event["text"] for _, event in read_events(process.run.events) if event["event"] == "note"]


def draw(*key):
    return torch.rand(4, generator=ranks.generator(CPU, *key)).tolist()


def test_a_model_without_a_tokenizer_cannot_be_trained(tmp_path):
    made = debug_checkpoint("mdlm", character_tokenizer("abc"))
    made.tokenizer = None
    checkpoint.export(made, "mdlm", tmp_path / "official")
    with pytest.raises(ModelError, match="has no tokenizer"):
        load_model(train_spec(model={"path": str(tmp_path / "official")}))


def test_noise_depends_on_its_key_alone():
    first = draw(0, "train", 5, 0, 0)
    draw(1, 2, 3)
    assert draw(0, "train", 5, 0, 0) == first
    others = [
        draw(0, "train", 6, 0, 0),
        draw(0, "train", 5, 1, 0),
        draw(0, "train", 5, 0, 1),
        draw(1, "train", 5, 0, 0),
    ]
    assert first not in others and len({tuple(o) for o in others}) == 4


def loss_of(model, objective=None):
    return DiffusionLoss(build_objective(objective or MDLMObjective()), model.config, conversations=False)


def validation_of(model, rank=0, world=1, should_stop=lambda: False, rows=10):
    sequences = [Sequence([i % 8, 1, 2, 3, 4, 5]) for i in range(rows)]
    collator = Collator(model.pad_id, "ignore")
    return Validation(sequences, collator, loss_of(model), 4, CPU, rank, world, should_stop)


def test_validation_gives_the_same_score_each_time_and_leaves_the_model_training(text_model):
    validation = validation_of(text_model)
    text_model.model.train()
    first = validation(text_model.model)
    torch.rand(100)
    assert validation(text_model.model).loss == first.loss
    assert text_model.model.training
    with torch.no_grad():
        text_model.model.lm_head.weight.mul_(2)
    assert validation(text_model.model).loss != first.loss


def test_a_validation_that_masks_nothing_has_no_loss(text_model):
    score = validation_of(text_model, rows=1)(text_model.model)  # six tokens, at a time of 0.03
    assert score.loss is None and not any(score.level_count)
    assert set(score.accuracy) == {15, 50, 85}  # masks of its own


def test_validation_does_not_depend_on_the_number_of_processes(text_model, monkeypatch):
    whole = validation_of(text_model)(text_model.model)
    parts = []
    monkeypatch.setattr(ranks, "total", lambda sums: parts.append(sums) or torch.ones_like(sums))
    for rank in range(2):
        validation_of(text_model, rank, 2)(text_model.model)
    loss, rows, *rest = (parts[0] + parts[1]).tolist()
    assert loss / rows == pytest.approx(whole.loss)
    assert rest[8:16] == whole.level_count
    right, masked = rest[16::2], rest[17::2]
    assert [r / m for r, m in zip(right, masked, strict=True)] == list(whole.accuracy.values())


@pytest.mark.parametrize("batch_size", [16, 48, 64])
def test_accuracy_is_of_the_same_rows_however_many_processes_there_are(text_model, monkeypatch, batch_size):
    monkeypatch.setattr(validation_module, "ACCURACY_ROWS", 20)
    parts = []
    monkeypatch.setattr(ranks, "total", lambda sums: parts.append(sums) or torch.ones_like(sums))
    masked = []
    for world in (1, 2, 3):
        parts.clear()
        for rank in range(world):
            replace(validation_of(text_model, rank, world, rows=70), batch_size=batch_size)(text_model.model)
        masked.append(sum(parts)[19::2].tolist())
    assert masked[0] == masked[1] == masked[2] and min(masked[0]) > 0


def test_validation_may_be_stopped_or_have_no_rows(text_model):
    assert validation_of(text_model, should_stop=lambda: True)(text_model.model) is None
    assert validation_of(text_model, rows=0)(text_model.model) is None


def test_the_meter_adds_up_and_starts_anew(text_model):
    meter = Meter(CPU)
    collator = Collator(text_model.pad_id, "batch")
    batch = collator([Sequence([1, 2, 3, 4]), Sequence([1, 2])])
    result = loss_of(text_model, LLaDAObjective())(text_model.model, batch, ranks.generator(CPU, 1))
    meter.add(result, batch)
    meter.add(result, batch)
    sums = meter.total()
    assert (sums["cells"], sums["filling"]) == (16, 0.25)
    assert sum(sums["count"]) == 2 * int(result.level_count.sum())
    assert meter.total()["cells"] == 0


@pytest.mark.parametrize(
    ("fill", "size", "share"), [("ignore", 1, 0), ("block", 3, 3 / 9), ("length", 6, 6 / 12)]
)
def test_the_meter_counts_filling_that_is_trained(text_model, fill, size, share):
    """Two rows, of 4 and 2 tokens, of which the last ones end the text."""
    meter, collator = Meter(CPU, eos_id=2), Collator(2, fill, size)
    batch = collator([Sequence([1, 3, 4, 2]), Sequence([1, 2])])
    meter.add(loss_of(text_model, LLaDAObjective())(text_model.model, batch, ranks.generator(CPU, 1)), batch)
    sums = meter.total()
    assert sums["filling"] == pytest.approx(share)
    assert sums["eos"] == pytest.approx(2 * (1 - share) / 6), "2 of the 6 tokens that are no filling"


def test_padding_changes_no_loss(text_model):
    """A row alone and the same row beside a longer one: the same prediction where filling is ignored."""
    from jobs.diffusion.objectives.base import Noised, masked_logits

    collator = Collator(text_model.pad_id, "ignore")
    alone, padded = (
        collator([Sequence([1, 2, 3])]),
        collator([Sequence([1, 2, 3]), Sequence([1, 2, 3, 4, 5])]),
    )
    logits = []
    for batch in (alone, padded):
        masked = torch.zeros_like(batch["maskable"])
        masked[0, 1] = True
        ids = batch["input_ids"].masked_fill(masked, text_model.config.mask_token_id)
        noised = Noised(ids, masked, masked.float(), torch.ones(len(ids)))
        logits.append(masked_logits(text_model.model, noised, False, batch.get("attention_mask"))[0])
    assert torch.allclose(logits[0], logits[1], atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "data", "fill"),
    [
        ("messages", {}, "batch"),
        ("messages", {"append_eos": False}, "ignore"),
        ("text", {}, "ignore"),
        ("text", {"packing": False}, "batch"),
        ("text", {"packing": False, "append_eos": False}, "ignore"),
    ],
)
def test_what_short_rows_are_filled_with(text_model, kind, data, fill):
    spec = train_spec(data={"path": "d.jsonl", **data})
    collator = make_collator(kind, text_model.tokenizer, spec.data, text_model.config, spec.objective)
    assert collator.fill == fill
    eos = text_model.tokenizer.eos_token_id
    assert collator.fill_id == (eos if fill == "batch" else text_model.tokenizer.pad_token_id)


@pytest.mark.parametrize(
    ("objective", "shape", "trained"),
    [
        ({"name": "llada"}, (2, 13), 6 + 12),
        ({"name": "bd3lm", "block_size": 8}, (2, 16), 9 + 7),  # dLLM: each row to its own whole block
        ({"name": "dfactory", "block_size": 8}, (2, 24), 17 + 23),  # dFactory: all to the longest
        ({"name": "dfactory", "block_size": 8, "fill": "block"}, (2, 16), 9 + 7),
        ({"name": "bd3lm", "block_size": 8, "fill": "batch"}, (2, 13), 6 + 12),
    ],
)
def test_answers_are_filled_as_the_objective_does_it(text_model, objective, shape, trained):
    spec = train_spec(data={"path": "d.jsonl", "max_length": 30}, objective=objective)
    data = for_objective(spec.data, spec.objective)
    collator = make_collator("messages", text_model.tokenizer, data, text_model.config, spec.objective)
    batch = collator([Sequence([1] * 13, 7), Sequence([1] * 5, 1)])
    assert tuple(batch["input_ids"].shape) == shape
    assert int(batch["maskable"].sum()) == trained


def test_a_block_that_fits_into_no_sequence_is_refused():
    objective = {"name": "bd3lm", "block_size": 32}
    spec = train_spec(data={"path": "d.jsonl", "max_length": 30}, objective=objective)
    with pytest.raises(SpecError, match="A block of 32 tokens does not fit into data.max_length, 30"):
        for_objective(spec.data, spec.objective)


@pytest.mark.parametrize(
    "objective", [{"name": "bd3lm", "block_size": 8}, {"name": "dfactory", "block_size": 8}]
)
def test_texts_are_not_kept_apart_in_blocks(objective):
    data = {"path": "d.jsonl", "max_length": 32, "separate_documents": True}
    with pytest.raises(SpecError, match=f"the blocks of {objective['name']} are counted through a whole"):
        for_objective(train_spec(data=data).data, train_spec(objective=objective).objective)


def test_texts_are_not_kept_apart_where_the_config_alone_names_a_window():
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = MistralConfig(**small, num_key_value_heads=2, vocab_size=16, sliding_window=None)
    allow_separate(MistralForCausalLM(config))
    config.sliding_window = 16
    with pytest.raises(SpecError, match="see a window only"):
        allow_separate(MistralForCausalLM(config))


def test_a_corpus_is_read_split_encoded_and_described(text_model, tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text("".join(f'{{"prompt": "{c}", "completion": "{c}{c}"}}\n' for c in "abcdefghij"))
    spec = train_spec(data={"path": str(path), "max_length": 32, "validation": 0.2})
    process = process_of(tmp_path, spec)
    corpus = load_corpus(process, text_model.tokenizer, text_model.config, 32, lambda: None)
    assert corpus.kind == "messages" and len(corpus.train) + len(corpus.validation) == 10
    assert corpus.validation
    said = notes(process)
    assert "10 rows read as prompt_completion" in said[0]
    assert "no chat template" in said[1]
    assert said[-1].startswith(f"Training on {len(corpus.train)} sequences")


def test_sequences_longer_than_the_model_are_refused_before_training(text_model, tmp_path):
    path = tmp_path / "d.txt"
    path.write_text("a" * 200)
    process = process_of(tmp_path, train_spec(data={"path": str(path), "max_length": 64}))
    with pytest.raises(SpecError, match=r"64 tokens, but the model has 32 positions. Set data.max_length"):
        load_corpus(process, text_model.tokenizer, text_model.config, 32, lambda: None)


def test_one_row_is_trained_without_validation(text_model, tmp_path):
    path = tmp_path / "d.txt"
    path.write_text("abc")
    process = process_of(tmp_path, train_spec(data={"path": str(path)}))
    corpus = load_corpus(process, text_model.tokenizer, text_model.config, 32, lambda: None)
    assert (len(corpus.train), corpus.validation) == (1, [])
    assert "no validation" in notes(process)[-1]


def test_the_trainers_arguments_follow_the_spec(tmp_path):
    spec = train_spec(
        optimisation={"steps": 7, "beta2": 0.95, "gradient_checkpointing": True, "precision": "bf16"},
        report={"save_every": 3, "keep_checkpoints": 5},
    )
    given = arguments.training_arguments(process_of(tmp_path, spec))
    assert (given.max_steps, given.adam_beta2, given.bf16, given.save_steps) == (7, 0.95, True, 3)
    assert given.save_total_limit == 5 and given.use_cpu and given.gradient_checkpointing
    assert not given.logging_nan_inf_filter


def test_a_gpu_that_is_not_there_is_asked_for_in_vain(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ResourceError, match="sees no GPU"):
        arguments.training_arguments(process_of(tmp_path, train_spec(launcher={"device": "cuda"})))


def test_deepspeeds_config_follows_the_spec():
    spec = train_spec(
        launcher={"name": "deepspeed", "processes": 2, "zero_stage": 3, "offload": True},
        optimisation={
            "batch_size": 3,
            "gradient_accumulation": 2,
            "max_grad_norm": 0.5,
            "learning_rate": 2e-3,
        },
    )
    config = arguments.deepspeed_config(spec)
    assert config["zero_optimization"]["stage"] == 3
    assert config["zero_optimization"]["offload_optimizer"] == {"device": "cpu"}
    assert config["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"]
    assert config["train_micro_batch_size_per_gpu"] == 3 and config["gradient_accumulation_steps"] == 2
    assert config["optimizer"]["params"]["torch_adam"] and config["optimizer"]["params"]["lr"] == 2e-3
    assert config["gradient_clipping"] == 0.5
    assert "offload_optimizer" not in arguments.deepspeed_config(train_spec())["zero_optimization"]


def test_a_checkpoint_cut_short_goes_and_whole_ones_stay(tmp_path):
    from jobs.programs.train import remove_broken_checkpoints

    run = process_of(tmp_path, train_spec()).run
    remove_broken_checkpoints(run)
    for name in ("checkpoint-5", "checkpoint-10", "notes"):
        (run.checkpoints / name).mkdir(parents=True)
    (run.checkpoints / "checkpoint-5" / "trainer_state.json").write_text("{}")
    remove_broken_checkpoints(run)
    assert sorted(p.name for p in run.checkpoints.iterdir()) == ["checkpoint-5", "notes"]
    assert run.last_checkpoint().name == "checkpoint-5"
