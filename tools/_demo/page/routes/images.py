"""The page: images on their way to thumbnails."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from examples.thumbnails import storable
from sprag import Controller, Field, Schema, Upload, action
from sprag.queue import IllegalMove, new_job_id

from ..folder import MAX_UPLOAD_BYTES, Folder, job_id_of
from ..shown import shown

_SIZES = (2560, 1600, 800, 320)
_FORMATS = ("jpg", "webp")
_MOST = 200

_ONE = {"job_id": Field(str, required=True)}


class ImagesController(Controller):
    """Images are jobs of the queue "thumbnails"; each visitor sees those of one's own."""

    route = "/"
    title = "Thumbnails"

    def load(self) -> dict[str, Any]:
        return {
            "images": self._images(),
            # Tells this page's uploads from those of others.
            "page": secrets.token_hex(8),
            "max_bytes": MAX_UPLOAD_BYTES,
        }

    @action(
        schema=Schema("upload_image", {
            "token": Field(str, required=True, max_length=64),
            "image": Field(Upload, required=True),
        })
    )  # fmt: skip
    def upload_image(self, token: str, image: Upload) -> dict[str, Any]:
        job_id = job_id_of(self.audience, token, image)
        source = self._folder.keep(image, job_id)
        return self._enqueue(source, image.name, job_id)

    @action(defer=True)
    def add_samples(self) -> None:
        """Making them takes a while, so it goes on when the page has its answer."""
        for source in self._folder.samples():
            self._enqueue(source, source.name, new_job_id())

    @action(schema=Schema("image", _ONE))
    def image(self, job_id: str) -> dict[str, Any]:
        return shown(self.job_status("thumbnails", job_id)["job"])

    @action(schema=Schema("cancel_image", _ONE))
    def cancel_image(self, job_id: str) -> dict[str, Any]:
        return shown(self.request_job_cancel("thumbnails", job_id)["job"])

    @action(schema=Schema("retry_image", _ONE))
    def retry_image(self, job_id: str) -> dict[str, Any]:
        self.job_status("thumbnails", job_id)  # only the visitor's own
        with suppress(IllegalMove):  # another tab was faster
            self.queue("thumbnails").requeue(job_id)
        return self.image(job_id)

    @action
    def clear_images(self) -> list[dict[str, Any]]:
        """Forget those that have ended; the others remain."""
        ended = [image["id"] for image in self._images() if not image["busy"]]
        self.session["cleared_at"] = time.time()
        for job_id in ended:
            self._folder.forget(job_id)
        return self._images()

    @property
    def _folder(self) -> Folder:
        return Folder(self.app.database)

    def _images(self) -> list[dict[str, Any]]:
        """Oldest first: the order in which they are worked on."""
        cleared = self.session.get("cleared_at", 0.0)
        return [
            shown(job)
            for job in reversed(self.jobs("thumbnails", limit=_MOST))
            if job["finished_at"] is None or job["finished_at"] > cleared
        ]

    def _enqueue(self, source: Path, name: str, job_id: str) -> dict[str, Any]:
        item = {
            "source": storable(source),
            "folder": storable(self._folder.thumbnails(job_id)),
            "sizes": list(_SIZES),
            "formats": list(_FORMATS),
        }
        return shown(self.enqueue("thumbnails", item, job_id=job_id, label=name)["job"])
