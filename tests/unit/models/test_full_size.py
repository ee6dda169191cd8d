"""Families at their published sizes, on the meta device: stored values, and every tensor name, both ways."""

import re

import pytest
import torch
from safetensors import safe_open

from jobs.models.families import FAMILIES
from jobs.models.layout import arrange
from jobs.models.official import Skeleton, layout_for
from tests.golden.cases import HERE as GOLDEN

from .published import NAMES, PUBLISHED

pytestmark = pytest.mark.thorough


def expanded(pattern: str) -> set[str]:
    """The names that a pattern with {a,b} stands for; inner braces first."""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None:
        return {pattern}
    choices = found[1].split(",")
    return set().union(*(expanded(pattern[: found.start()] + c + pattern[found.end() :]) for c in choices))


def numbered(names) -> set[str]:
    return {re.sub(r"\.\d+(?=\.)", ".N", name) for name in names}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_size_is_built_and_its_names_are_all_the_published_ones(name):
    model = PUBLISHED[name]
    family = FAMILIES[model.family]
    skeleton = Skeleton(family.stock_config(model.sizes))
    stored = arrange(skeleton.shapes, layout_for(family, skeleton.config, family.layouts[0]))
    assert sum(torch.Size(tensor.shape).numel() for tensor in stored.values()) == model.values
    names = set().union(*map(expanded, model.names or NAMES[model.family]))
    assert numbered(stored) == names


def test_every_family_has_a_published_size():
    assert {model.family for model in PUBLISHED.values()} == FAMILIES.keys()


@pytest.mark.parametrize("name", ["llada", "dream", "diffugpt", "diffullama", "lladamoe"])
def test_the_names_are_those_of_the_official_codes_checkpoints(name):
    """The golden checkpoints were written by the official classes."""
    with safe_open(GOLDEN / "checkpoints" / name / "model.safetensors", "pt") as file:
        assert numbered(file.keys()) == set().union(*map(expanded, NAMES[name]))
