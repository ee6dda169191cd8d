"""Fonts for pictures that are drawn without a browser: of those on this machine one that has the letters."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FOLDERS = (
    *("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    *("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
)
PREFERRED = (
    *("DejaVuSansMono.ttf", "NotoSansMono-Regular.ttf", "LiberationMono-Regular.ttf", "Menlo.ttc"),
    *(
        "NotoSansMonoCJK-Regular.ttc",
        "NotoSansCJK-Regular.ttc",
        "wqy-microhei.ttc",
        "wqy-zenhei.ttc",
        "PingFang.ttc",
    ),
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf"),
)
SUFFIXES = (".ttf", ".ttc", ".otf")
MOST_FILES = 500  # that are looked through for a letter which no preferred font has
LOOK = 17  # pixels: as large as letters are drawn, about
NOWHERE = "\U0010fffe"  # no font has it: what is drawn for it is drawn for every letter that a font lacks

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Fonts:
    """The fonts of one size. `missing`: letters asked for that no font of this machine has."""

    def __init__(self, size: int):
        self.size = size
        self.missing: set[str] = set()
        self._found: dict[str, Font] = {}
        self._fallback = next(self._fonts(), None) or ImageFont.load_default(size)

    def of(self, text: str) -> Font:
        """The first font that has every letter of a text; without one, that which has the most of them."""
        if text not in self._found:
            self._found[text] = self._choose(text)
        return self._found[text]

    def _choose(self, text: str) -> Font:
        best, fewest = self._fallback, lacking(self._fallback, text)
        for font in self._fonts() if fewest else ():
            if len(without := lacking(font, text)) < len(fewest):
                best, fewest = font, without
            if not fewest:
                break
        self.missing |= fewest
        return best

    def _fonts(self) -> Iterator[Font]:
        return (font for file in files() if (font := opened(file, self.size)) is not None)


@lru_cache(maxsize=1)
def files() -> tuple[Path, ...]:
    """Font files of this machine, the preferred first, then upright ones in the order of their names."""
    there = [p for folder in FOLDERS for p in sorted(Path(folder).expanduser().rglob("*"))]
    named = {path.name: path for path in there if path.suffix.lower() in SUFFIXES}
    first = [named.pop(name) for name in PREFERRED if name in named]
    return (*first, *[path for name, path in sorted(named.items()) if "Regular" in name][:MOST_FILES])


@lru_cache(maxsize=MOST_FILES)
def opened(file: Path, size: int) -> Font | None:
    """A font; None for a file that FreeType cannot read."""
    try:
        return ImageFont.truetype(str(file), size)
    except OSError:
        return None


def lacking(font: Font, text: str) -> set[str]:
    """The letters of a text that a font has no picture for."""
    return {letter for letter in set(text) if not letter.isspace() and not _has(font, letter)}


@lru_cache(maxsize=20_000)
def _has(font: Font, letter: str) -> bool:
    return _picture(font, letter) != _picture(font, NOWHERE)


def _picture(font: Font, letter: str) -> bytes:
    image = Image.new("L", (3 * LOOK, 3 * LOOK))
    ImageDraw.Draw(image).text((0, 0), letter, fill=255, font=font)
    return image.tobytes()
