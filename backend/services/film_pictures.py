"""A trajectory as a moving picture: GIF by Pillow, MP4 by ffmpeg where it is installed."""

import contextlib
import io
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor

from backend.services.film_drawing import COLOURS, frames
from jobs.protocol.errors import ResourceError

MOST_IMAGES = 200
FRAME_MILLISECONDS, LAST_MILLISECONDS = 80, 2400
BLENDS = 5  # shades between a letter and what is behind it
FFMPEG_SECONDS = 120
NO_FFMPEG = (
    "An MP4 is made by ffmpeg, which the server's machine has not: install it (apt install ffmpeg), "
    "or take the GIF."
)

_drawing = threading.Lock()  # one at a time: a server has other things to do


def gif(lines: list[dict[str, Any]]) -> bytes:
    """An animated GIF that starts over and over. Raises: DataError."""
    with _drawing:
        palette = _palette()
        images = [
            image.quantize(palette=palette, dither=Image.Dither.NONE) for image in frames(lines, MOST_IMAGES)
        ]
        durations = [FRAME_MILLISECONDS] * (len(images) - 1) + [LAST_MILLISECONDS]
        out = io.BytesIO()
        images[0].save(
            out, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=False
        )
        return out.getvalue()


def mp4(lines: list[dict[str, Any]]) -> bytes:
    """An H.264 film. Raises: ResourceError where ffmpeg is missing or fails; DataError."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise ResourceError(NO_FFMPEG)
    with _drawing, tempfile.TemporaryDirectory() as folder:
        images = frames(lines, MOST_IMAGES)
        first = next(images)
        target = Path(folder) / "film.mp4"
        argv = [
            *(ffmpeg, "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
            *("-s", f"{first.width}x{first.height}", "-framerate", str(1000 / FRAME_MILLISECONDS), "-i", "-"),
            *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(target)),
        ]
        _feed(argv, chain([first], images))
        return target.read_bytes()


def _feed(argv: list[str], images: Iterable[Image.Image]) -> None:
    """Have ffmpeg read the pictures as they are drawn; the last stands for a while. Raises: ResourceError."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        content = b""
        with contextlib.suppress(BrokenPipeError):  # it has left, and says why below
            for image in images:
                process.stdin.write(content := image.tobytes())
            for _ in range(LAST_MILLISECONDS // FRAME_MILLISECONDS):
                process.stdin.write(content)
        try:
            _, said = process.communicate(timeout=FFMPEG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise ResourceError(f"ffmpeg took longer than {FFMPEG_SECONDS} seconds; take the GIF.") from None
    if process.returncode:
        last = (said.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        raise ResourceError(f"ffmpeg failed; it said: {last}. Take the GIF.")


def _palette() -> Image.Image:
    """The colours of the drawing and the shades between its letters and what is behind them."""
    colours = {name: ImageColor.getrgb(value)[:3] for name, value in COLOURS.items()}
    behind = ("surface", "c1", "c2", "c3", "c4", "c5", "mask", "warn-soft")
    pairs = [(back, front) for back in behind for front in ("ink", "bar")] + [("surface", "ink-3")]
    shades = {
        tuple(round(b + (f - b) * share / BLENDS) for b, f in zip(colours[back], colours[front], strict=True))
        for back, front in pairs
        for share in range(1, BLENDS)
    }
    image = Image.new("P", (1, 1))
    image.putpalette([part for colour in [*colours.values(), *sorted(shades)] for part in colour])
    return image
