"""The answer that sends a file."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from .files import File

_FOR_GOOD: Final = "public, max-age=31536000, immutable"


def send_file(request: Request, file: File) -> Response:
    """The file, gzipped if the browser takes that."""
    headers = {
        "Cache-Control": _FOR_GOOD if file.immutable else "no-cache",
        "Vary": "Accept-Encoding",
    }
    content = file.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = file.gzipped
    return Response(content, 200, headers, media_type=file.media_type)
