"""What the review column shows, from a service's preview."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from backend.services.training import Preview
from ui.words import say

KEY = re.compile(r"^([a-z_][\w.]*): ")
ESTIMATED = (
    say("Weights, of these trained"),
    say("Memory on each device, about"),
    say("Most of it"),
    say("In main memory of each machine"),
    say("Operations a step"),
    say("Time, about"),
)
"""What a service's estimate calls its figures; review.js says them."""


def review(
    preview: Preview,
    prefix: str,
    base: str = "",
    facts: Sequence[tuple[str, str]] = (),
    plan: Sequence[str] = (),
    file: str = "spec.yaml",
) -> dict[str, Any]:
    """The Review component's value. `base`: the YAML that changes are counted from.
    `plan`: what the job will do, in sentences."""
    return {
        "prefix": prefix,
        "yaml": preview.yaml,
        "changed": changed_lines(base, preview.yaml) if base else [],
        "compared": bool(base),
        "command": "" if preview.problem else preview.command_text,
        "terminal": f"studio run {file}" if preview.yaml else "",
        "problems": problems(preview.problem),
        "facts": [list(fact) for fact in facts],
        "plan": list(plan),
        "file": file,
    }


def problems(text: str) -> list[dict[str, str]]:
    """Each line of a service's answer as {key, text}; the key names the setting where there is one."""
    found = []
    for line in text.splitlines():
        match = KEY.match(line)
        found.append(
            {"key": match.group(1) if match else "", "text": line if match else line[:1].upper() + line[1:]}
        )
    return found


def changed_lines(before: str, after: str) -> list[int]:
    """Indices of the lines of `after` that `before` does not have at that place."""
    old, new = before.splitlines(), after.splitlines()
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [i for tag, _, _, start, end in blocks if tag != "equal" for i in range(start, end)]
