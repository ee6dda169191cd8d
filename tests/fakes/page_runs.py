"""Small trainings for tests in a browser, and what a run's page says of them."""

import re
from typing import Any

import httpx

from tests.fakes.browser import PageServer


def tiny(name: str, steps: int, **changes: Any) -> dict[str, Any]:
    """A training of so small a model that only the number of steps decides how long it lasts."""
    config = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
    return {
        "kind": "train",
        "name": name,
        "model": {"new": {"architecture": "gpt2", "config": config, "tokenizer": "characters:1234"}},
        "data": {
            "builder": "sudoku",
            "options": {"size": 4, "rows": 64},
            "format": "text",
            "max_length": 16,
            "validation": 0.25,
        },
        "objective": {"name": "mdlm", "loss_weight_type": "uniform"},
        "optimisation": {"steps": steps, "batch_size": 4},
        "report": {"log_every": 5},
        **changes,
    }


def start(server: PageServer, spec: dict[str, Any]) -> str:
    """Queue a job; returns its id."""
    reply = httpx.post(f"{server.url}/api/jobs", json={"spec": spec}, timeout=30)
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


def curve_step(page: Any) -> int:
    """The step that the loss chart tells a screen reader; 0 without a curve."""
    chart = page.locator(".chart svg").first
    found = (
        re.search(r"at step ([\d,]+)$", chart.get_attribute("aria-label") or "") if chart.count() else None
    )
    return int(found[1].replace(",", "")) if found else 0
