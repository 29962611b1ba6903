"""The images of the demo: found in a folder, or made."""

from __future__ import annotations

import fcntl
import math
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageOps

SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tga", ".tif",
    ".tiff", ".webp",
)  # fmt: skip
"""How the names of images end, in lower case."""


@dataclass(frozen=True)
class Picture:
    """An image file as it is now; `version` is another one once the file has changed."""

    path: Path
    version: tuple[int, int]


@dataclass(frozen=True)
class Skipped:
    """What may be an image, or hold some, and cannot be looked at."""

    path: Path
    reason: str


def find(folder: Path, without: Path) -> tuple[list[Picture], list[Skipped]]:
    """The images in `folder` and the folders in it, in order. Leaves out hidden ones and what is
    in the folder `without`."""
    pictures: list[Picture] = []
    skipped: list[Skipped] = []

    def unreadable(error: OSError) -> None:
        skipped.append(Skipped(Path(error.filename), error.strerror or str(error)))

    for at, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(at)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and here / f != without)
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            try:
                status = path.stat()
            except OSError as error:
                unreadable(error)
                continue
            if path.is_file():
                pictures.append(Picture(path, (status.st_mtime_ns, status.st_size)))
            else:
                skipped.append(Skipped(path, "no regular file"))
    return pictures, skipped


def make(
    folder: Path,
    count: int,
    made: Callable[[int, str], None],
    size: tuple[int, int] = (4000, 3000),
) -> None:
    """Make `count` images in `folder`, but for those that are there.

    Calls `made(number, name)` after each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        # Another demo that makes them at this moment makes them for both.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for number in range(1, count + 1):
            path = folder / f"picture-{number:03}.jpg"
            if not path.exists():
                partial = path.with_name(".partial")
                _landscape(number, size).save(partial, "JPEG", quality=85)
                partial.replace(path)
                made(number, path.name)


def _landscape(number: int, size: tuple[int, int]) -> Image.Image:
    """Sky, sun, hills and some grain; each number has its own, in every run the same."""
    chance = random.Random(number)
    width, height = max(size[0] // 4, 1), max(size[1] // 4, 1)

    def colour(low: int, high: int) -> tuple[int, int, int]:
        return chance.randint(low, high), chance.randint(low, high), chance.randint(low, high)

    sky = Image.linear_gradient("L").resize((width, height))
    image = ImageOps.colorize(sky, colour(20, 120), colour(160, 250))
    # It is brightest at the corners, so that a circle of it is all that may shine.
    glow = Image.radial_gradient("L").point(lambda level: max(175 - level, 0))
    glow = glow.resize((height, height))
    sun = Image.new("L", (width, height))
    sun.paste(glow, (chance.randint(-height // 2, width - height // 2), -height // 3))
    image = ImageChops.screen(image, ImageOps.colorize(sun, "black", colour(120, 255)))
    draw = ImageDraw.Draw(image)
    for ridge in range(5):
        shade = tuple(level // (ridge + 2) for level in colour(80, 220))
        waves = [(chance.uniform(1, 9), chance.uniform(0, 7), chance.uniform(4, 40)) for _ in "123"]
        line = [
            (x, height * (5 + ridge) / 10
             + sum(h * math.sin(f * math.pi * x / width + at) for f, at, h in waves))
            for x in range(width + 1)
        ]  # fmt: skip
        draw.polygon([*line, (width, height), (0, height)], fill=shade)
    image = image.resize(size, Image.Resampling.BICUBIC)
    grain = Image.new("L", size)
    tile = Image.effect_noise((width, height), 60)
    for x in range(0, size[0], width):
        for y in range(0, size[1], height):
            grain.paste(tile, (x, y))
    return Image.blend(image, Image.merge("RGB", (grain, grain, grain)), 0.08)
