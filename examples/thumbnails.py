"""Thumbnails with Pillow: real work in a queue, written so that a job may run twice.

    with ThumbnailQueue(database="jobs.db") as queue:
        job = queue.enqueue({"source": "photo.jpg", "folder": "thumbnails"})
        print(queue.wait(job.id).result)

or, in a process of its own: `sprag work examples.thumbnails:ThumbnailQueue`.
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
"""The longer sides of the thumbnails, in pixels, unless the item says otherwise."""

FORMATS: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 85},
    "webp": {"format": "WEBP", "quality": 82, "method": 6},
}
"""How a thumbnail is written, by the ending of its name. The item says which; a JPEG if not."""

MAX_PIXELS = 100_000_000
"""What one job may decode; four such jobs at once take some 2 to 3 GB of memory."""

_SIDEWAYS = (5, 6, 7, 8)
"""The EXIF orientations of a camera that was held upright."""

# Pillow's own limit looks at the size in the file's header. Ours looks at what is left of it
# once a JPEG is reduced while it is decoded, so that a phone's 200 megapixels are no problem.
Image.MAX_IMAGE_PIXELS = None
# Pillow loads its file formats at first use, and a second thread that looks for one meanwhile
# may not find it.
Image.init()


class ThumbnailQueue(QueueService):
    """Items: `source`, the file of an image; `folder`, where thumbnails go; optional `sizes` and
    `formats`.

    Paths are text, bytes or Path. The result has the image's `format` and `size` ([width,
    height] as people see it) and of each of its `thumbnails` the `path`, `size` and `bytes`.
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
        """Write `target` so that it is there whole or not at all, whenever this process dies and
        even if another one is writing it too; its size in bytes."""
        partial = target.with_name(f".{self.current_job.id}-{secrets.token_hex(4)}.partial")
        try:
            with partial.open("xb") as file:
                image.save(file, icc_profile=image.info.get("icc_profile"), **how)
                file.flush()
                # Before the job says "completed": that word survives a power loss, so the
                # thumbnail has to as well.
                os.fsync(file.fileno())
                written = os.fstat(file.fileno()).st_size
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return written

    def _forget_partial(self, folder: Path) -> None:
        """Remove what an earlier run of this job left that was killed while it wrote."""
        for left in folder.glob(f".{self.current_job.id}-*.partial"):
            left.unlink(missing_ok=True)


def _what(side: int, ending: str, formats: Sequence[str]) -> str:
    return f"{side} px" if len(formats) == 1 else f"{side} px, {ending}"


def _prepare(file: Image.Image, largest: int) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth where that is large enough; refuse
    what would still take too much memory."""
    share = min(1.0, 2 * largest / max(file.size))
    file.draft(None, (math.ceil(file.width * share), math.ceil(file.height * share)))
    if file.width * file.height > MAX_PIXELS:
        raise ValueError(
            f"{file.width} x {file.height} pixels are too many to decode, expected at most "
            f"{MAX_PIXELS:,}"
        )


def _upright_rgb(file: Image.Image) -> Image.Image:
    """The decoded image, turned as the camera was held, without transparency, in RGB."""
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
    # A profile of CMYK or grey does not fit any more.
    rgb.info.pop("icc_profile", None)
    return rgb


def storable(path: Path) -> str | bytes:
    """The path as text; as bytes where it is no text. Either can be stored in a job."""
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
