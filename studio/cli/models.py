"""studio models: what can be sampled and trained further."""

from studio.cli.session import Home, Json, services


def list_models(json: Json = False, home: Home = None) -> None:
    """List the models: bundled ones, yours, and results of jobs."""
    from rich.console import Console

    from studio.cli.render import as_json, count, size, table

    with services(home) as studio:
        found = studio.models.list()
    if json:
        print(as_json(found))
        return
    rows = [
        [m.name, m.source, m.family, count(m.parameters), size(m.size_bytes), m.task, m.problem or m.note]
        for m in found
    ]
    Console().print(table(["model", "from", "family", "parameters", "size", "task", "note"], rows))
