"""The light table of builders (jobs.specs.builders) says what the builders themselves say."""

import pytest

from jobs.data.builders import BUILDERS
from jobs.specs.builders import BUILDERS as TABLE


def test_the_same_names():
    assert list(TABLE) == list(BUILDERS)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_same_facts(name: str):
    info, builder = TABLE[name], BUILDERS[name]
    assert (info.name, info.description, info.format) == (name, builder.description, builder.format)
    fields = {key: field.default for key, field in builder.options.model_fields.items()}
    assert {option.name: option.default for option in info.options} == fields
