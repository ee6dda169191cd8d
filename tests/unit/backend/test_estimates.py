"""What the services say of memory and time before a training starts."""

from types import SimpleNamespace

import psutil
import pytest

from backend.devices import Device
from backend.services.estimates import count, duration, size
from backend.studio import Studio
from jobs.executors import InlineExecutor
from jobs.protocol.errors import ResourceError, SpecError
from jobs.specs.load import parse_spec
from jobs.specs.probe import probe_of
from ui import starting_points

GPU = [Device("cuda:0", "cuda", "NVIDIA H100 80GB HBM3, 80 GiB (GPU-0)")]
CPU = [Device("cpu:0", "cpu", "CPU slot 1 of 2"), Device("cpu:1", "cpu", "CPU slot 2 of 2")]


@pytest.fixture
def make(studio_home, monkeypatch):
    made = []

    def make(devices, memory=8):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=memory * 2**30))
        made.append(Studio(studio_home, executor=InlineExecutor(), census=lambda: devices))
        return made[-1]

    yield make
    for studio in made:
        studio.close()


def large(**launcher) -> dict:
    """A new model of 2.9 billion values."""
    sizes = {
        "hidden_size": 4096,
        "num_hidden_layers": 14,
        "num_attention_heads": 32,
        "intermediate_size": 12288,
    }
    return {
        "kind": "train",
        "model": {"new": {"architecture": "llama", "config": sizes, "tokenizer": "stories"}},
        "data": {"builder": "prose"},
        "launcher": launcher,
    }


def test_a_training_that_cannot_fit_is_refused_with_what_to_change(make):
    studio = make(CPU)
    preview = studio.training.preview(large())
    assert preview.problem.startswith("By estimate it needs ") and preview.need.values > 2.5e9
    assert (
        "has 8.0 GiB" in preview.problem and "batch_size: 4 with gradient_accumulation: 2" in preview.problem
    )
    with pytest.raises(ResourceError, match=r"launcher\.check_memory: false starts it all the same"):
        studio.jobs.submit(large())
    assert studio.jobs.list() == []


def test_who_knows_better_starts_it_all_the_same(make):
    studio = make(CPU)
    assert not studio.training.preview(large(check_memory=False)).problem
    assert studio.jobs.submit(large(check_memory=False)).id


def test_a_gpu_has_memory_and_a_speed_of_its_own(make):
    need = make(GPU + CPU, memory=16).training.preview(large()).need
    assert need.device_has == 80 * 2**30 and not need.problem and need.seconds > 0
    assert ("Memory on each device, about", f"{size(sum(need.device.values()))} of 80.0 GiB") in need.lines


def test_a_model_that_cannot_be_loaded_beside_a_gpu_is_refused(make):
    problem = make(GPU + CPU, memory=8).training.preview(large()).problem
    assert "needs 11.4 GiB and this machine in main memory has 8.0 GiB" in problem


def test_the_speed_of_an_unknown_gpu_is_unknown(make):
    need = make([Device("cuda:0", "cuda", "Some GPU, 90 GiB (GPU-0)"), *CPU]).training.preview(large()).need
    assert need.seconds is None and ("Time, about", "unknown; measure it") in need.lines


def test_processes_on_a_cpu_share_the_memory(make):
    studio = make(CPU)
    one = studio.training.preview(large(device="cpu", check_memory=False)).need
    two = studio.training.preview(large(device="cpu", name="torchrun", processes=2, check_memory=False)).need
    assert two.machine > 1.9 * one.machine


def test_a_debug_model_is_known_by_its_family(make):
    studio = make(CPU)
    need = studio.training.preview(studio.training.recipe("debug/llada-sft").spec).need
    assert 60_000 < need.values < 120_000 and not need.problem


def test_a_probe_is_the_same_training_without_its_end(make):
    spec = parse_spec(make(CPU).training.recipe("debug/llada-sft").spec)
    probe = probe_of(spec)
    assert (probe.optimisation.steps, probe.report.probe_of, probe.report.prompts) == (3, 150, [])
    assert probe.report.save_every == 0 and probe.data.validation == 0
    assert (probe.model, probe.launcher, probe.objective) == (spec.model, spec.launcher, spec.objective)
    assert probe_of(probe) == probe
    with pytest.raises(SpecError, match="job of kind serve"):
        probe_of(parse_spec({"kind": "serve"}))


def test_what_a_form_starts_from_comes_in_groups(make):
    studio = make(CPU)
    shown = {group: starting_points.choices(studio, group) for group in starting_points.GROUPS}
    assert shown[starting_points.DEMOS][0][1] == "recipe:sudoku-4x4"
    assert ("LLaDA-8B SFT  (llada/sft)", "recipe:llada/sft") in shown[starting_points.PUBLISHED]
    assert all("debug/" in value for _, value in shown[starting_points.DEBUG])
    named = [value for choices in shown.values() for _, value in choices]
    trainings = [recipe for recipe in studio.training.recipes() if recipe.spec["kind"] == "train"]
    assert len(named) == len(set(named)) == len(trainings)
    studio.jobs.submit(studio.training.recipe("debug/llada-sft").spec)
    assert [value for _, value in starting_points.choices(studio, starting_points.RUNS)] == ["run:train-0001"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (size(3 * 2**29), "1.5 GiB"),
        (size(2**20), "1 MiB"),
        (count(7_356_880_896), "7.36 B"),
        (count(96_000), "96 k"),
        (count(12), "12"),
        (duration(0.2), "1 seconds"),
        (duration(5400), "90 minutes"),
        (duration(4 * 86400), "4.0 days"),
    ],
)
def test_figures_for_people(said, wanted):
    assert said == wanted
