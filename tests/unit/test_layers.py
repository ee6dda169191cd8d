"""Who may import whom. Reads syntax trees, so an import inside a function counts too.

The table is the one in docs/architecture.md. A package is judged by its most specific row.
"""

import ast
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("jobs", "backend", "ui", "studio", "assets")


class Rule(NamedTuple):
    """What a package may import: of ours (prefixes), of others (top-level names, or dotted ones)."""

    ours: tuple[str, ...]
    others: tuple[str, ...]


ENGINE = ("torch", "numpy", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "pydantic")
OPTIMIZERS = ("bitsandbytes", "galore_torch", "apollo_torch", "adam_mini", "schedulefree")

RULES = {
    "jobs": Rule((), ()),
    "jobs.protocol": Rule(("jobs.protocol",), ()),
    "jobs.specs": Rule(("jobs.specs", "jobs.protocol"), ("pydantic", "yaml")),
    "jobs.anchor": Rule((), ()),
    "jobs.supervisor": Rule(("jobs.anchor", "jobs.protocol"), ()),
    "jobs.launch": Rule(("jobs.specs", "jobs.protocol"), ("psutil",)),
    "jobs.executors": Rule(("jobs.executors", "jobs.specs", "jobs.protocol", "jobs.launch"), ("psutil",)),
    "jobs.executors.skypilot": Rule(("jobs.specs", "jobs.protocol", "jobs.launch"), ("yaml",)),
    "jobs.diffusion": Rule(("jobs.diffusion", "jobs.specs", "jobs.protocol"), ("torch",)),
    "jobs.diffusion.caches": Rule(
        ("jobs.diffusion", "jobs.specs", "jobs.protocol"), ("torch", "transformers.cache_utils")
    ),
    "jobs.models": Rule(
        ("jobs.models", "jobs.specs", "jobs.protocol", "jobs.diffusion"), (*ENGINE, "datasets", "gguf")
    ),
    "jobs.models.quantize": Rule(("jobs.protocol",), (*ENGINE, "bitsandbytes")),
    "jobs.data": Rule(
        ("jobs.data", "jobs.specs", "jobs.protocol", "jobs.diffusion"),
        (*ENGINE, "datasets", "pyarrow", "jinja2", "PIL"),
    ),
    "jobs.programs": Rule(
        (
            "jobs.programs",
            "jobs.specs",
            "jobs.protocol",
            "jobs.diffusion",
            "jobs.models",
            "jobs.data",
            "jobs.launch",
        ),
        (*ENGINE, "datasets", "deepspeed", "psutil"),
    ),
    "jobs.programs.training.packages": Rule(("jobs.specs", "jobs.protocol"), (*ENGINE, "liger_kernel")),
    "jobs.programs.training.trackers": Rule(
        ("jobs.programs.process", "jobs.protocol"), ("torch", "wandb", "trackio")
    ),
    "jobs.programs.training.optimizers": Rule(
        ("jobs.specs", "jobs.programs.training.joined"), (*ENGINE, *OPTIMIZERS)
    ),
    "backend": Rule(
        ("backend", "jobs.specs", "jobs.protocol", "jobs.executors"),
        ("pydantic", "yaml", "sqlalchemy", "fastapi", "starlette", "psutil", "pynvml", "anyio"),
    ),
    "backend.services.film_fonts": Rule((), ("PIL",)),
    "backend.services.film_drawing": Rule(("backend.services.film_fonts", "jobs.protocol"), ("PIL",)),
    "backend.services.film_pictures": Rule(("backend.services.film_drawing", "jobs.protocol"), ("PIL",)),
    "ui": Rule(
        ("ui", "backend", "jobs.specs", "jobs.protocol"),
        ("gradio", "pydantic", "annotated_types", "yaml", "fastapi", "starlette"),
    ),
    "studio": Rule(
        ("studio", "ui", "backend", "jobs"),
        (
            *("typer", "rich", "yaml", "pydantic", "packaging", "psutil", "httpx"),
            *("uvicorn", "fastapi", "starlette", "gradio"),
        ),
    ),
    # The recipes that made the bundled models and data; nobody imports these.
    "assets": Rule(("assets", "jobs"), (*ENGINE, "datasets", "PIL")),
}

# "No arrow runs up": a room never knows the rooms above it.
ABOVE = {
    "jobs": ("backend", "ui", "studio"),
    "backend": ("ui", "studio", "jobs.programs"),
    "ui": ("studio", "jobs.programs"),
    "assets": ("backend", "ui", "studio"),
}


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def rule_for(module: str) -> tuple[str, Rule]:
    name = max((p for p in RULES if within(module, p)), key=len)
    return name, RULES[name]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str, is_package: bool) -> list[tuple[int, str]]:
    """(line, absolute dotted name) of everything a file imports, at any depth, relative imports resolved."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".") if is_package else module.split(".")[:-1]
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Call) and called(node.func) in ("import_module", "__import__"):
            target = node.args[0] if node.args else None
            if isinstance(target, ast.Constant):
                found.append((node.lineno, str(target.value)))
            else:
                found.append((node.lineno, "<computed>"))
    return found


def called(function: ast.expr) -> str:
    """`f` of a call f() or a.f(), "" of any other."""
    return getattr(function, "attr", getattr(function, "id", ""))


def allowed(imported: str, rule: Rule) -> bool:
    top = imported.split(".")[0]
    if top in ROOMS:
        # `from jobs import protocol` reads as jobs.protocol; a bare `import jobs` brings nothing in.
        return imported == top or any(within(imported, prefix) for prefix in rule.ours)
    if top in sys.stdlib_module_names:
        return True
    return any(within(imported, prefix) for prefix in rule.others)


def broken(path: Path) -> list[str]:
    """What a file imports and may not, each in a sentence."""
    module = module_name(path)
    name, rule = rule_for(module)
    found = imports(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    return [
        f"{module}, line {line}: {name} may not import {imported}"
        for line, imported in found
        if not allowed(imported, rule)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_a_module_imports_only_what_its_layer_may(room: str):
    found = [fault for path in sorted((ROOT / room).rglob("*.py")) for fault in broken(path)]
    assert not found, "\n".join(found)


def test_no_arrow_runs_up():
    """The table itself: nothing that a room may import lies above it, and the groups form no circle."""
    for name, rule in RULES.items():
        for upper in ABOVE.get(name.split(".")[0], ()):
            assert not any(within(upper, ours) or within(ours, upper) for ours in rule.ours), (name, upper)
    edges = {n: {m for m in RULES for o in r.ours if within(m, o) and m != n} for n, r in RULES.items()}
    order: list[str] = []

    def visit(node: str, path: tuple[str, ...]) -> None:
        assert node not in path, " -> ".join((*path, node))
        if node not in order:
            for lower in edges[node]:
                if not (within(lower, node) or within(node, lower)):
                    visit(lower, (*path, node))
            order.append(node)

    for name in RULES:
        visit(name, ())


def test_the_test_sees_lazy_and_relative_imports():
    """The guard guards: an import in a function, a relative one and import_module are all found."""
    source = "def f():\n    import torch\n    from . import jobs\n    importlib.import_module('gradio')\n"
    assert [name for _, name in imports(source, "backend.services.jobs", False)] == [
        "torch",
        "backend.services.jobs",
        "gradio",
    ]
    _, backend = rule_for("backend.services.jobs")
    assert not allowed("torch", backend) and not allowed("jobs.programs.train", backend)
    assert allowed("jobs.specs.load", backend) and allowed("sqlite3", backend)
    assert rule_for("jobs.supervisor")[1].others == ()
