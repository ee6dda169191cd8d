"""What a tab's builder is given."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

if TYPE_CHECKING:
    from backend.studio import Studio

QUICK: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "queue": False}
"""Of events that are answered at once."""


@dataclass(frozen=True)
class Page:
    """The studio behind the page, its settings, the tab bar, and the tab that is being built."""

    studio: "Studio"
    settings: Any  # studio.settings.Settings; its type lies in the room above
    tabs: gr.Tabs
    tab: gr.Tab
