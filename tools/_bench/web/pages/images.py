"""The page of the spec, with its actions, and its module in Python."""

from __future__ import annotations

from itertools import repeat
from typing import Any

from sprag import Controller, Field, Schema, action

from ..queue import ITEM, NAME


class ImagesController(Controller):
    route = "/"
    title = "Images"

    def load(self) -> dict[str, Any]:
        return {"job_id": None}

    @action(
        schema=Schema(
            "upload_image",
            {
                "file_path": Field(str, required=True),
            },
        )
    )
    def upload_image(self, file_path: str) -> Any:
        return self.enqueue(NAME, {"file_path": file_path, "resize_to": (1200, 800)})

    @action(name="job_status", schema=Schema("job_status", {"job_id": Field(str, required=True)}))
    def queue_status(self, job_id: str) -> Any:
        return self.job_status(NAME, job_id)

    @action(schema=Schema("upload_many", {"count": Field(int, required=True)}))
    def upload_many(self, count: int) -> int:
        jobs = self.queue(NAME).enqueue_many(repeat(ITEM, count), audience=self.audience)
        return len(jobs)
