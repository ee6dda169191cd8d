"""What asks for a text."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gradio.context import LocalContext


@pytest.fixture
def asked_in_chinese() -> Iterator[None]:
    token = LocalContext.request.set(SimpleNamespace(headers={"accept-language": "zh-CN"}))  # type: ignore[arg-type]
    yield
    LocalContext.request.reset(token)
