"""Recipes with published settings, checked without their weights: the spec, the model's size, the launch, the
estimate."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from torch.distributed.run import parse_args as torchrun_arguments
from transformers import AutoConfig

from backend.devices import Device
from backend.studio import Studio
from jobs.executors import InlineExecutor
from jobs.models.families import FAMILIES
from jobs.programs.training import arguments
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.job import TrainSpec
from jobs.specs.load import parse_spec
from tests.fakes.recipes import PUBLISHED, pretend
from tests.unit.models.published import PUBLISHED as MODELS

pytestmark = pytest.mark.e2e  # half a minute

GPUS = 16
DIFFUSION = DiffusionConfig(mask_token_id=7)


@dataclass(frozen=True)
class Donor:
    """A causal model that a conversion starts from, at its published size."""

    kind: str
    sizes: dict[str, Any]
    values: int


LLAMA = {"num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 4096}
GPT2_S = Donor("gpt2", {}, 124_439_808)
GPT2_M = Donor("gpt2", {"n_embd": 1024, "n_layer": 24, "n_head": 16}, 354_823_168)
LLAMA_2 = Donor("llama", {**LLAMA, "intermediate_size": 11008, "vocab_size": 32000}, 6_738_415_616)
LLAMA_3 = Donor(
    "llama",
    {**LLAMA, "intermediate_size": 14336, "vocab_size": 128256, "num_key_value_heads": 8},
    8_030_261_248,
)
GEMMA_2 = Donor(
    "gemma2",
    {
        **{"hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "vocab_size": 256000},
        **{"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256},
    },
    2_614_341_888,
)
QWEN3 = Donor(
    "qwen3",
    {
        **{"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "vocab_size": 151936},
        **{"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True},
    },
    596_049_920,
)
QWEN3_VL = Donor(
    "qwen3_vl",
    {
        "text_config": {
            **MODELS["Qwen3-VL-4B"].sizes["text_config"],
            **{"hidden_size": 2048, "intermediate_size": 6144},
            **{"num_hidden_layers": 28, "num_attention_heads": 16},
        },
        "vision_config": {**MODELS["Qwen3-VL-4B"].sizes["vision_config"], "out_hidden_size": 2048},
        "tie_word_embeddings": True,
    },
    2_127_532_032,  # not confirmed: the card says 2B; this follows from the sizes
)
STARTS: dict[str, Donor | str] = {
    "dfactory/llada2-flash-sft": "LLaDA2-flash",
    "dfactory/llada2-mini-full-attention": "LLaDA2-mini",
    "dfactory/llada2-mini-parallel": "LLaDA2-mini",
    "dfactory/llada2-mini-sft": "LLaDA2-mini",
    "diffullama/7b-lora-gsm8k": LLAMA_2,
    "diffullama/7b-multi-node": LLAMA_2,
    "diffullama/7b-zero3": LLAMA_2,
    "diffullama/7b-zero3-offload": LLAMA_2,
    "diffullama/diffugpt-m-adapt": GPT2_M,
    "diffullama/diffugpt-m-gsm8k": "DiffuGPT-m",
    "diffullama/diffugpt-s-adapt": GPT2_S,
    "dllm/bert-chat": "ModernBERT-base",
    "dllm/dream-cart": "Dream-7B",
    "dllm/gemma-2-mdlm": GEMMA_2,
    "dllm/llama-3-mdlm": LLAMA_3,
    "dllm/lladamoe-sft": "LLaDA-MoE-7B-A1B",
    "dllm/qwen3-bd3lm": QWEN3,
    "dllm/qwen3-mdlm": QWEN3,
    "dllm/qwen3-vl-documents": QWEN3_VL,
    "llada/lora": "LLaDA-8B",
    "llada/pretrain": "LLaDA-8B",
    "llada/sft": "LLaDA-8B",
}
"""What each recipe starts from: a published model, or a donor."""


@pytest.fixture
def studio(studio_home, monkeypatch):
    """One with sixteen GPUs of 80 GiB, and 4 TiB of main memory."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=4 * 2**40))
    found = [Device(f"cuda:{i}", "cuda", "NVIDIA H100, 80 GiB (GPU-1)") for i in range(GPUS)]
    with Studio(studio_home, executor=InlineExecutor(), census=lambda: found) as studio:
        yield studio


def prepare(studio, spec: TrainSpec, start: Donor | str) -> int:
    """Put a model folder without weights and a row of data where the recipe looks; returns the values."""
    (studio.home / "datasets").mkdir()
    row = '{"text": "a"}' if spec.data.format == "text" else '{"prompt": "a", "completion": "b"}'
    (studio.home / "datasets" / f"{spec.data.path}.jsonl").write_text(row + "\n")
    if isinstance(start, Donor):
        folder = studio.runs / str(spec.model.path).removeprefix("run:") / "model"
        return pretend(folder, AutoConfig.for_model(start.kind, **start.sizes))
    published = MODELS[start]
    family = FAMILIES[published.family]
    config = family.stock_config(published.sizes)
    official = {"architectures": [""], **family.official_config(config, DIFFUSION)}
    name = spec.model.path or spec.model.new.tokenizer
    return pretend(studio.home / "models" / name, config, family, official)


def test_every_published_recipe_is_checked():
    assert set(STARTS) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_validates_builds_launches_and_is_estimated(name, studio, capsys):
    spec = parse_spec(studio.training.recipe(name).spec)
    start = STARTS[name]
    values = prepare(studio, spec, start)
    assert values == (start.values if isinstance(start, Donor) else MODELS[start].values)

    preview = studio.training.preview(spec)
    assert not preview.problem, preview.problem
    assert preview.need.values == pytest.approx(values, rel=0.01 if spec.model.new else 0)
    figures = ", ".join(f"{label}: {figure}" for label, figure in preview.need.lines)
    with capsys.disabled():
        print(f"\n{name}: {figures}")
    check_launch(spec, preview.command)


def check_launch(spec: TrainSpec, command: list[str]) -> None:
    """The launcher's own parser reads the command, DeepSpeed's own class its file."""
    if spec.launcher.name == "deepspeed":
        from deepspeed.runtime.config import DeepSpeedConfig

        read = DeepSpeedConfig(arguments.deepspeed_config(spec))
        assert read.zero_config.stage == spec.launcher.zero_stage
        assert read.train_micro_batch_size_per_gpu == spec.optimisation.batch_size
    if "torch.distributed.run" in command:
        read = torchrun_arguments(command[3:])
        assert read.nproc_per_node == str(spec.launcher.processes)
        assert read.training_script == "jobs.programs.train"
    elif "deepspeed.launcher.runner" in command:
        from deepspeed.launcher.runner import parse_args

        assert parse_args(command[3:]).user_script == "jobs.programs.train"
