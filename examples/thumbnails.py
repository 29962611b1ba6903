"""Thumbnails with Pillow: real work in a queue, written so that a job can run twice.

    with ThumbnailQueue(database="jobs.db") as queue:
        job = queue.enqueue({"source": "photo.jpg", "folder": "thumbnails"})
        print(queue.wait(job.id).result)

or in a process of its own: `sprag work examples.thumbnails:ThumbnailQueue`.
"""

from __future__ import annotations

import itertools
import math
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageOps

from sprag.queue import QueueService

SIZES = (1600, 800, 320)
"""The longer sides of the thumbnails in pixels. An item can ask for others."""

FORMATS: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 85},
    "webp": {"format": "WEBP", "quality": 82, "method": 6},
}
"""How a thumbnail is written, by the suffix of its name. An item can choose; default: JPEG."""

MAX_PIXELS = 100_000_000
"""The most that one job may decode. Four such jobs at once need about 2 to 3 GB of memory."""

_SIDEWAYS = (5, 6, 7, 8)
"""The EXIF orientations of a picture that was taken in portrait format."""

# Pillow's own limit applies to the size in the file's header. Ours applies to the size after a
# JPEG has been reduced while decoding, so that a 200 megapixel photo is fine.
Image.MAX_IMAGE_PIXELS = None
# Pillow loads its file formats at first use. A second thread that needs one at that moment may
# not find it.
Image.init()


class ThumbnailQueue(QueueService):
    """Items: `source`, an image file; `folder`, where the thumbnails go; optionally `sizes` and
    `formats`.

    Paths are str, bytes or Path. The result has the image's `format` and `size` ([width, height]
    as people see it), and the `path`, `size` and `bytes` of each of its `thumbnails`.
    """

    name = "thumbnails"
    worker_count = 4

    def handle_item(self, item: dict[str, Any]) -> dict[str, Any]:
        """Make the thumbnails of one image, the largest first."""
        source = Path(os.fsdecode(item["source"]))
        folder = Path(os.fsdecode(item["folder"]))
        sizes = sorted(item.get("sizes", SIZES), reverse=True)
        formats = item.get("formats", ("jpg",))
        steps = 2 + len(sizes) * len(formats)

        self.report_progress(current=0, total=steps, message="reading")
        folder.mkdir(parents=True, exist_ok=True)
        self._forget_partial(folder)
        with Image.open(source) as file:
            size = list(file.size)
            _prepare(file, sizes[0])
            self.check_cancelled()
            self.report_progress(current=1, total=steps, message="decoding")
            image = _upright_rgb(file)
            if file.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS:
                size.reverse()

        thumbnails = []
        for step, (side, ending) in enumerate(itertools.product(sizes, formats), start=2):
            self.check_cancelled()
            self.report_progress(current=step, total=steps, message=_what(side, ending, formats))
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            target = folder / f"{source.name}-{side}.{ending}"
            written = self._publish(image, target, FORMATS[ending])
            thumbnails.append(
                {"path": storable(target), "size": list(image.size), "bytes": written}
            )
        _sync_folder(folder)
        self.report_progress(current=steps, total=steps, message="done")
        return {"format": file.format, "size": size, "thumbnails": thumbnails}

    def _publish(self, image: Image.Image, target: Path, how: dict[str, Any]) -> int:
        """Write `target` completely or not at all, even if this process dies or another one writes
        the same file. Return its size in bytes."""
        partial = target.with_name(f".{self.current_job.id}-{secrets.token_hex(4)}.partial")
        try:
            with partial.open("xb") as file:
                image.save(file, icc_profile=image.info.get("icc_profile"), **how)
                file.flush()
                # Before the job is completed: that state survives a power loss, so the thumbnail
                # must, too.
                os.fsync(file.fileno())
                written = os.fstat(file.fileno()).st_size
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return written

    def _forget_partial(self, folder: Path) -> None:
        """Remove the files of an earlier run of this job that was killed while it wrote."""
        for left in folder.glob(f".{self.current_job.id}-*.partial"):
            left.unlink(missing_ok=True)


def _what(side: int, ending: str, formats: Sequence[str]) -> str:
    return f"{side} px" if len(formats) == 1 else f"{side} px, {ending}"


def _prepare(file: Image.Image, largest: int) -> None:
    """Decode a JPEG at a half, a quarter or an eighth of its size if that is large enough. Refuse
    an image that would still need too much memory."""
    share = min(1.0, 2 * largest / max(file.size))
    file.draft(None, (math.ceil(file.width * share), math.ceil(file.height * share)))
    if file.width * file.height > MAX_PIXELS:
        raise ValueError(
            f"the image has {file.width} x {file.height} pixels, expected at most {MAX_PIXELS:,}"
        )


def _upright_rgb(file: Image.Image) -> Image.Image:
    """Return the decoded image in RGB, upright and without transparency."""
    image = ImageOps.exif_transpose(file)
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        return image.point(lambda level: level * (1 / 256)).convert("L").convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    rgb = image.convert("RGB")
    # A profile of CMYK or grey does not fit RGB.
    rgb.info.pop("icc_profile", None)
    return rgb


def storable(path: Path) -> str | bytes:
    """Return the path as str, or as bytes if it is not valid text. A job can store either."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return str(path)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
