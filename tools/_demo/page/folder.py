"""The folder of the page's files: uploads, samples and thumbnails, beside the database."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from sprag import ActionError, Upload

from .. import pictures

MAX_UPLOAD_BYTES = 64 * 1024 * 1024
SAMPLES = 20

_UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error,
)  # fmt: skip
"""What Pillow raises for files that are broken in one way or another."""


class Folder:
    """All files of one database's application."""

    def __init__(self, database: str | Path) -> None:
        self._top = Path(database).parent

    def keep(self, upload: Upload, job_id: str) -> Path:
        """Keep an upload, checked, for the job; keeping it twice is fine. Raises ActionError."""
        _check(upload)
        folder = self._uploads(job_id)
        folder.mkdir(parents=True, exist_ok=True)
        # There whole or not at all: a killed server is sent the same again.
        partial = upload.save(folder / f".{secrets.token_hex(8)}.partial")
        return partial.replace(folder / "original")

    def samples(self) -> Iterator[Path]:
        """Large images, one after the other; those that are not there are made."""
        folder = self._top / "samples"
        for number in range(1, SAMPLES + 1):
            pictures.make(folder, number, lambda *_: None)
            yield folder / f"picture-{number:03}.jpg"

    def thumbnails(self, job_id: str) -> Path:
        """Where the job's thumbnails go."""
        return self._top / "thumbnails" / job_id

    def forget(self, job_id: str) -> None:
        """Remove what is kept for the job, and what was made of it."""
        for folder in (self._uploads(job_id), self.thumbnails(job_id)):
            shutil.rmtree(folder, ignore_errors=True)

    def _uploads(self, job_id: str) -> Path:
        return self._top / "uploads" / job_id


def job_id_of(who: str, token: str, upload: Upload) -> str:
    """The id of the job for an upload. When a page sends the same once more, because it does not
    know whether a server that died had taken it, the job is the same."""
    content = hashlib.sha256(upload.read()).hexdigest()
    return hashlib.sha256(f"{who}\n{token}\n{content}".encode()).hexdigest()[:32]


def _check(upload: Upload) -> None:
    if upload.size > MAX_UPLOAD_BYTES:
        raise ActionError(
            f"It is too large: {upload.size / 2**20:.0f} MB, expected at most "
            f"{MAX_UPLOAD_BYTES // 2**20} MB",
            status=413,
            type="too_large",
        )
    with _told_as_broken(), Image.open(_rewound(upload)) as image:
        image.verify()


@contextmanager
def _told_as_broken() -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError:
        raise ActionError(
            "This is no image, or none of a kind that can be read here", type="no_image"
        ) from None
    except _UNREADABLE as error:
        raise ActionError(f"The image is broken: {error}", type="broken_image") from None


def _rewound(upload: Upload) -> BinaryIO:
    upload.file.seek(0)
    return upload.file
