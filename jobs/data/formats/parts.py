"""A message's content in parts: words and pictures."""

from jobs.data.formats import fields
from jobs.data.rows import Picture
from jobs.protocol.errors import DataError

MARK = "<image>"
SHAPES = '{"type": "text", "text": ...} or {"type": "image", "image": path}'


class Images:
    """The `images` of a row, handed out one after the other."""

    def __init__(self, row: dict, place: str):
        """Raises: DataError where the field is no list of paths."""
        given = row.get("images") or []
        self.place = place
        if not isinstance(given, list) or not all(isinstance(name, str) and name for name in given):
            raise DataError(f"{place}: the field 'images' must be a list of paths.")
        self.named: list[str] = given
        self.used = 0

    def next(self, where: str) -> Picture:
        """Raises: DataError where there are too few."""
        if self.used >= len(self.named):
            raise DataError(f"{where}: an image without a path; the row's 'images' names {len(self.named)}.")
        self.used += 1
        return Picture(self.named[self.used - 1])

    def all_placed(self) -> None:
        """Raises: DataError where an image has no place in the messages."""
        if self.used != len(self.named):
            raise DataError(
                f"{self.place}: 'images' names {len(self.named)} images, but the messages have places for "
                f"{self.used}; write {MARK} where each stands."
            )


def read(content: str | list, images: Images, where: str) -> tuple[str | Picture, ...]:
    """A content as words and pictures in their order. Raises: DataError."""
    if isinstance(content, str):
        return tuple(_marked(content, images, where))
    found: list[str | Picture] = []
    for number, part in enumerate(content, 1):
        found += _part(part, images, f"{where}, part {number}")
    return tuple(found)


def _part(part: object, images: Images, where: str) -> list[str | Picture]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or kind not in ("text", "image"):
        raise DataError(f"{where}: a part is {SHAPES}.")
    if kind == "text":
        return _marked(fields.string(part, "text", where), images, where)
    if part.get("image") is None:
        return [images.next(where)]
    return [Picture(fields.filled(part, "image", where))]


def _marked(text: str, images: Images, where: str) -> list[str | Picture]:
    """A text cut at its marks. Where the row names no images, <image> is a word like others."""
    if not images.named:
        return [text]
    found: list[str | Picture] = []
    for number, words in enumerate(text.split(MARK)):
        found += [images.next(where)] if number else []
        found += [words] if words else []
    return found
