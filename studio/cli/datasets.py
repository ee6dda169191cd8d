"""studio datasets: what can be trained on."""

from typing import TYPE_CHECKING

from studio.cli.session import Home, Json, services

if TYPE_CHECKING:
    from backend.services.datasets import DatasetView


def list_datasets(json: Json = False, home: Home = None) -> None:
    """List the datasets: bundled ones, yours, and builders that make rows."""
    from rich.console import Console

    from studio.cli.render import as_json, size, table

    with services(home) as studio:
        found = studio.datasets.list()
    if json:
        print(as_json(found))
        return
    rows = [
        [d.name, d.source, d.format, _rows(d), size(d.size_bytes or None), d.problem or d.note] for d in found
    ]
    Console().print(table(["dataset", "from", "format", "rows", "size", "note"], rows))


def _rows(dataset: "DatasetView") -> str:
    if dataset.rows is None:
        return ""
    return str(dataset.rows) if dataset.rows_exact else f"over {dataset.rows}"
