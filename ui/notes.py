"""A sentence about what went wrong, beside its cause."""

import html


def note(text: str) -> str:
    """HTML; the text is escaped."""
    icon = '<span class="i i-warn"></span>'
    return f'<div class="note bad" role="alert">{icon}<span>{html.escape(text)}</span></div>'


def caution(text: str) -> str:
    """The same for what is allowed and known to go wrong."""
    icon = '<span class="i i-warn" aria-hidden="true"></span>'
    return f'<div class="note" role="status">{icon}<span>{html.escape(text)}</span></div>'
