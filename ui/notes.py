"""A sentence about what went wrong, beside its cause."""

import html


def note(text: str) -> str:
    """HTML; the text is escaped."""
    icon = '<span class="i i-warn"></span>'
    return f'<div class="note bad" role="alert">{icon}<span>{html.escape(text)}</span></div>'
