"""Every project whose settings can be imported: told apart, nothing dropped in silence, a spec that is valid.

The samples are written after the published ones, with their values.
"""

import json
import shlex

import pytest

from jobs.protocol.errors import SpecError
from jobs.specs.importing import IMPORTERS, import_config, settings
from jobs.specs.load import parse_spec, to_yaml

DFACTORY = """
model:
  config_path: ./configs/model_configs/llada2_mini
  model_path: ./LLaDA2.0-mini-preview-moe-merge
  tokenizer_path: ./LLaDA2.0-mini-preview-moe-merge
  attn_implementation: sdpa
  moe_implementation: fused
data:
  train_path: ./gsm8k_datasets/gsm8k_train.jsonl
  data_type: conversation
  datasets_type: mapping
  dataloader_type: native
  max_seq_len: 2048
  text_keys: messages
  noise_range_low: 0.3
  noise_range_high: 0.8
  num_workers: 16
train:
  output_dir: ./llada2_mini_bd_sft_outputs
  data_parallel_mode: fsdp2
  expert_parallel_size: 2
  ulysses_parallel_size: 1
  global_batch_size: 16
  micro_batch_size: 1
  num_train_epochs: 2
  bsz_warmup_ratio: 0.007
  optimizer: adamw
  beta1: 0.9
  beta2: 0.999
  lr: 1.0e-5
  lr_warmup_ratio: 0.03
  lr_decay_style: cosine
  weight_decay: 0.1
  max_grad_norm: 1.0
  enable_mixed_precision: true
  enable_gradient_checkpointing: true
  enable_fsdp_offload: true
  block_diffusion_mode: true
  block_size: 32
  same_token_labels: true
  use_wandb: false
  log_steps: 1
"""
DDM_SFT = """
model_name_or_path: models/diffugpt-m
stage: ddm-sft
do_train: true
finetuning_type: full
dataset: gsm8k_train,gsm_aug
cutoff_len: 256
anneal_steps: 1
shift: true
remove_unused_columns: false
output_dir: output/ddm-gsm
overwrite_cache: true
per_device_train_batch_size: 64
gradient_accumulation_steps: 2
learning_rate: 3.0e-4
num_train_epochs: 200
lr_scheduler_type: cosine
bf16: true
deepspeed: examples/deepspeed/ds_z2_config.json
diffusion_steps: 64
my_own_flag: 3
"""
QLORA = """
stage: sft
model_name_or_path: models/llama
finetuning_type: lora
dataset: alpaca
lora_rank: 16
lora_target: q_proj,v_proj
quantization_bit: 4
loraplus_lr_ratio: 16.0
use_rslora: true
pure_bf16: true
learning_rate: 1e-4
max_steps: 500
warmup_ratio: 0.1
val_size: 0.1
template: llama3
"""
DDM_COMMAND = (
    "llamafactory-cli train --stage ddm --model_name_or_path gpt2-medium --dataset fineweb "
    "--finetuning_type full --packing true --cutoff_len 1024 --anneal_steps 10000 --learning_rate 3e-4 "
    "--max_steps 160000 --per_device_train_batch_size 160 --warmup_steps 2000 "
    "--lr_scheduler_type cosine --bf16"
)
LLADA = json.dumps(
    {
        "architectures": ["LLaDAModelLM"],
        "model_type": "llada",
        "activation_type": "silu",
        "d_model": 768,
        "n_layers": 14,
        "n_heads": 12,
        "n_kv_heads": 12,
        "mlp_hidden_size": 3072,
        "max_sequence_length": 4096,
        "mask_token_id": 126336,
        "rope_theta": 500000.0,
        "vocab_size": 126464,
        "weight_tying": False,
        "invented_key": 1,
    }
)
DREAM_COMMAND = """
# one GPU
accelerate launch \\
    --config_file scripts/accelerate_configs/zero2.yaml --num_processes 4 \\
    examples/dream/sft.py \\
    --model_name_or_path "models/Dream-v0-Base-7B" \\
    --dataset_args "tulu-3[train:10000,test:1000]" \\
    --loss_weight_type "cart[geo_p:0.3]" --perbatch_cutoff True \\
    --load_in_4bit True --lora True --max_length 1024 --per_device_train_batch_size=4
"""
BD3LM_YAML = """
model_name_or_path: models/a2d-qwen3
dataset_args: tulu-3 + 0.5 * smoltalk
block_size: 32
max_length: 512
learning_rate: 1e-4
max_steps: 1000
"""

SAMPLES = {
    "dfactory": ("dfactory", DFACTORY),
    "llama-factory ddm-sft": ("llama-factory", DDM_SFT),
    "llama-factory qlora": ("llama-factory", QLORA),
    "llama-factory ddm command": ("llama-factory", DDM_COMMAND),
    "llada": ("llada", LLADA),
    "dllm dream command": ("dllm", DREAM_COMMAND),
    "dllm bd3lm": ("dllm", BD3LM_YAML),
}


def imported(name, **given):
    return import_config(SAMPLES[name][1], name, **given)


def left(found):
    return {item.key: item.reason for item in found.left}


def test_every_project_has_a_sample():
    assert {project for project, _ in SAMPLES.values()} == set(IMPORTERS)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_project_is_told_by_its_keys_alone_and_gives_a_spec(name):
    project, text = SAMPLES[name]
    given, script = settings(text, name)
    assert [n for n, one in IMPORTERS.items() if one.detect(dict(given), script)] == [project]
    found = imported(name)
    assert found.project == project
    assert parse_spec(found.spec.model_dump(mode="json")) == found.spec
    assert to_yaml(found.spec).startswith("kind: train")


@pytest.mark.parametrize("name", SAMPLES)
def test_no_key_is_dropped_in_silence(name):
    """Taken away, a key changes the spec, its notes or what is listed; else nobody has looked at it."""
    text = SAMPLES[name][1]
    given, script = settings(text, name)
    whole = imported(name, rows=1000, processes=2)
    listed = left(whole)
    assert all(reason for reason in listed.values())
    for key in given.keys() - listed.keys():
        without = {k: v for k, v in given.items() if k != key}
        words = [w for k, v in without.items() for w in (f"--{k}", str(v))]
        changed = f"{script} " + " ".join(map(shlex.quote, words)) if script else json.dumps(nested(without))
        try:
            other = import_config(changed, name, rows=1000, processes=2)
        except SpecError:
            continue  # what cannot be left out has been read
        same = (other.spec, other.notes) == (whole.spec, whole.notes) and left(other) == listed
        assert not same or key in DEFAULTS, f"{key} = {given[key]!r} is neither in the spec nor listed"


DEFAULTS = {
    "perbatch_cutoff",
    *("data.max_seq_len", "data.noise_range_low", "data.noise_range_high", "data.text_keys"),
    *("train.micro_batch_size", "train.optimizer", "train.beta2", "train.max_grad_norm", "train.use_wandb"),
    *(
        "train.expert_parallel_size",
        "train.ulysses_parallel_size",
        "train.block_size",
        "train.same_token_labels",
    ),
    *("per_device_train_batch_size", "loss_weight_type", "max_length", "shift", "bf16"),
    *("packing", "anneal_steps", "learning_rate", "finetuning_type", "mlp_hidden_size"),
}
"""Keys of the samples whose value is what is meant without them."""


def nested(flat):
    found = {}
    for key, value in flat.items():
        *groups, name = key.split(".")
        into = found
        for group in groups:
            into = into.setdefault(group, {})
        into[name] = value
    return found


def test_dfactory_as_published():
    spec = imported("dfactory", rows=800, processes=4).spec
    assert (spec.objective.name, spec.objective.block_size, spec.objective.block_diffusion) == (
        "dfactory",
        32,
        True,
    )
    assert (spec.objective.noise_range_low, spec.objective.noise_range_high) == (0.3, 0.8)
    assert (spec.data.path, spec.data.max_length) == ("./gsm8k_datasets/gsm8k_train.jsonl", 2048)
    o = spec.optimisation
    assert (o.batch_size, o.gradient_accumulation, o.steps, o.warmup_steps) == (1, 4, 100, 3)
    assert (o.learning_rate, o.weight_decay, o.lr_schedule, o.precision) == (1e-5, 0.1, "cosine", "bf16")
    assert (spec.launcher.name, spec.launcher.processes, spec.launcher.offload_weights) == ("fsdp", 4, True)
    listed = left(imported("dfactory"))
    assert "--rows" in listed["train.num_train_epochs"] and "fsdp" in listed["train.expert_parallel_size"]


def test_ddm_sft_as_published():
    found = imported("llama-factory ddm-sft", rows=12800)
    spec = found.spec
    assert (spec.objective.name, spec.objective.anneal_steps) == ("ddm-sft", 1)
    assert (spec.data.path, spec.data.info) == ("gsm8k_train + gsm_aug", "data/dataset_info.json")
    assert (spec.launcher.name, spec.launcher.zero_stage) == ("deepspeed", 2)
    assert spec.optimisation.steps == 200 * 100 and spec.optimisation.learning_rate == 3e-4
    assert spec.tuning.method == "full" and spec.optimisation.gradient_checkpointing
    assert "not known" in left(found)["my_own_flag"] and "checkpoint" in left(found)["shift"]


def test_qlora_is_a_causal_baseline_and_says_so():
    found = imported("llama-factory qlora")
    tuning = found.spec.tuning
    assert (tuning.rank, tuning.alpha, tuning.quantize, tuning.lora_plus) == (16, 32, "4bit", 16)
    assert (tuning.targets, tuning.rslora) == ("q_proj,v_proj", True)
    assert found.spec.objective.name == "ar-sft" and any("convert it" in note for note in found.notes)
    assert (found.spec.optimisation.warmup_steps, found.spec.data.validation) == (50, 0.1)


def test_a_command_line_is_read_with_its_switches():
    spec = imported("llama-factory ddm command").spec
    assert spec.objective.anneal_steps == 10000 and spec.data.packing and spec.data.format == "text"
    assert (spec.optimisation.precision, spec.optimisation.batch_size) == ("bf16", 160)


def test_dream_with_lora_in_four_bits():
    found = imported("dllm dream command")
    assert (found.spec.objective.name, found.spec.objective.geo_p) == ("dream", 0.3)
    assert (found.spec.tuning.rank, found.spec.tuning.quantize) == (32, "4bit")
    assert found.spec.data.path == "tulu-3[train:10000,test:1000]"
    assert found.spec.objective.cut_answers and found.spec.launcher.processes == 4


def test_llada_begins_anew_in_the_shape_of_its_config():
    found = imported("llada")
    assert found.spec.model.new.config["d_model"] == 768 and found.spec.objective.random_length_ratio == 0.01
    assert "not known" in left(found)["invented_key"] and any("your-data" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stage: dpo\nmodel_name_or_path: m\ndataset: d", "DPO"),
        ("stage: rm\nmodel_name_or_path: m\ndataset: d", "reward model"),
        ("stage: sft\nmodel_name_or_path: m\ndataset: d\nuse_badam: true", "BAdam"),
        ("stage: sft\nmodel_name_or_path: m", "names no data"),
        ("stage: sft\nmodel_name_or_path: m\ndataset: d\ncutoff_len: long", "no whole number"),
        ("python examples/editflow/sft.py --dataset_args x", "editflow"),
        ("kind: train\nmodel: {path: m}", "not the settings of"),
        ("just a sentence", "neither YAML"),
        ('run.py --name "half', "no command line"),
    ],
)
def test_what_cannot_be_imported_is_said(text, words):
    with pytest.raises(SpecError, match=words):
        import_config(text, "x.yaml")
