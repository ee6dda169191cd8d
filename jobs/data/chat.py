"""From a conversation to the text that a model sees, through the tokenizer's own chat template."""

from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from jobs.data.rows import Message
from jobs.protocol.errors import DataError, SpecError

TEMPLATES: dict[str, str] = {
    name: (Path(__file__).parent / "templates" / f"{name}.jinja").read_text(encoding="utf-8")
    for name in ("plain", "chatml", "llama3", "gemma")
}
"""For tokenizers without a template of their own. plain: `User: ...`, `Assistant: ...`, a line each; the
others are written as the models of that name do. The one used is stored in the trained model's tokenizer, so
that every later use renders conversations the same way."""


def ensure_template(tokenizer: Any, name: str | None = None) -> bool:
    """Give the tokenizer the template of that name, the plain one if there is no name, unless it has one.
    True if it did.

    Raises: SpecError for an unknown name, or where the tokenizer has another template of its own.
    """
    if name is not None and name not in TEMPLATES:
        raise SpecError(f"data.template: there is no template {name!r}; known: {', '.join(TEMPLATES)}.")
    wanted = TEMPLATES[name or "plain"]
    if tokenizer.chat_template:
        if name is not None and tokenizer.chat_template != wanted:
            raise SpecError("data.template: the tokenizer has a chat template of its own; leave it out.")
        return False
    tokenizer.chat_template = wanted
    return True


def template_name(tokenizer: Any) -> str:
    """Which of TEMPLATES the tokenizer writes by; "" for one of its own."""
    return next((name for name, text in TEMPLATES.items() if text == tokenizer.chat_template), "")


def render(
    messages: list[dict[str, Any]], tokenizer: Any, add_generation_prompt: bool = False, images: bool = False
) -> str:
    """The conversation as text; with `add_generation_prompt` up to where the answer begins.

    `images`: whether the caller takes care of the images in it (see jobs.data.images).
    Raises: DataError where the template refuses the conversation, or images would be lost.
    """
    ensure_template(tokenizer)
    if not images and any(_shows(message.get("content")) for message in messages):
        raise DataError("This conversation has images, which are not read here; leave them out.")
    try:
        return tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except (TemplateError, TypeError) as error:  # the latter where a template of text meets images
        raise DataError(f"the model's chat template refuses this conversation: {error}", "template") from None


def _shows(content: Any) -> bool:
    return isinstance(content, list) and any(
        not isinstance(part, dict) or part.get("type") != "text" for part in content
    )


Piece = tuple[str, bool]
"""A part of a conversation's text, and whether it is an answer that is trained."""


def pieces(messages: tuple[Message, ...], tokenizer: Any, answers: str = "last") -> list[Piece]:
    """The conversation's text in parts of which the last is the last answer. `answers` "last": that one alone
    is trained, all before it is one part. "all": each answer with what ends it is a part of its own.

    Parts are tokenized apart, so a trained answer stands behind exactly the tokens that a sampled one stands
    behind. Where an answer begins and ends is what the template itself writes turn by turn.

    Raises: DataError; for "all" also where the template writes earlier turns otherwise once others follow.
    """
    prompt, answer = prompt_and_answer(messages, tokenizer)
    if answers == "last":
        return [(prompt, False), (answer, True)]
    turns = [message.turn() for message in messages]
    whole, found, at = prompt + answer, [], 0
    for number, message in enumerate(messages):
        if message.role != "assistant":
            continue
        begin = render(turns[:number], tokenizer, add_generation_prompt=True, images=True)
        end = render(turns[: number + 1], tokenizer, images=True)
        if not (whole.startswith(begin) and whole.startswith(end) and at <= len(begin) <= len(end)):
            raise DataError(
                f"the model's chat template writes message {number + 1} otherwise once others follow, so "
                "only the last answer can be trained; set data.answers to last.",
                "template",
            )
        found += [(whole[at : len(begin)], False), (whole[len(begin) : len(end)], True)]
        at = len(end)
    return found


def prompt_and_answer(messages: tuple[Message, ...], tokenizer: Any) -> tuple[str, str]:
    """The text before the last answer, as it is rendered for sampling, and the answer with what ends it.

    The two are tokenized apart, so a trained prompt has exactly the tokens that a sampled one has.

    Raises: DataError.
    """
    turns = [message.turn() for message in messages]
    prompt = render(turns[:-1], tokenizer, add_generation_prompt=True, images=True)
    whole = render(turns, tokenizer, images=True)
    if whole.startswith(prompt):
        return prompt, whole[len(prompt) :]
    # Some templates write past turns otherwise than the last one: then the answer is found by its text.
    answer = turns[-1]["content"].strip()
    start = whole.rfind(answer)
    if start < 0:
        raise DataError(
            "the model's chat template changes the answer's text, so it cannot be told from the prompt.",
            "template",
        )
    return prompt, whole[start:]
