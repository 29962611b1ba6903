"""The thumbnails themselves, for those whose image it was."""

from __future__ import annotations

from pathlib import PurePath

from starlette.responses import FileResponse, PlainTextResponse, Response

from sprag import Controller

from ..shown import thumbnail


class ThumbnailController(Controller):
    """Answers with a file: a controller may load a response instead of a page's data."""

    route = "/thumbnails/{job_id}/{name}"

    def load(self, job_id: str, name: str) -> Response:
        job = self.job_status("thumbnails", job_id)["job"]  # another session's: 404
        file = thumbnail(job, name)
        if file is None or not file.is_file():
            return PlainTextResponse("There is no such thumbnail\n", 404)
        stem = PurePath(job["label"]).stem
        return FileResponse(
            file,
            filename=f"{stem}-{name.rpartition('-')[2]}",
            content_disposition_type="inline",
            headers={"Cache-Control": "private, max-age=86400"},
        )
