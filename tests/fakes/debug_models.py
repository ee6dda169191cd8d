"""Debug models of a family that can be asked, in words and with pictures where they see them."""

from jobs.models.checkpoint import Checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer

TEMPLATE = (
    "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for part in m['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% endif %}{% endfor %}"
)


def debug_model(family: str) -> Checkpoint:
    """Knows the letters a to j; one that sees has a template with a place for images."""
    made = debug_checkpoint(family, character_tokenizer("abcdefghij"))
    if made.images is not None:
        image = made.tokenizer.convert_ids_to_tokens(made.model.config.image_token_id)
        made.tokenizer.chat_template = TEMPLATE.replace("<image>", image)
    return made
