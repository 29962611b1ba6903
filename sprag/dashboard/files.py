"""Files that browsers load: read once, named by the hash of all of them, and cached by browsers
without an end."""

from __future__ import annotations

import gzip
import hashlib
from importlib import resources
from typing import Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class File(NamedTuple):
    """One file as it is sent."""

    type: str
    plain: bytes
    packed: bytes


class Files:
    """The files of the folder `static`. Their addresses change whenever any of them does, so that
    modules import each other by their plain names."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        digest = hashlib.sha256()
        folder = resources.files(__package__).joinpath("static")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            kind = _TYPES.get(entry.name.rpartition(".")[2])
            if kind is not None:
                plain = entry.read_bytes()
                digest.update(f"{entry.name} {len(plain)} ".encode() + plain)
                self._files[entry.name] = File(kind, plain, gzip.compress(plain, mtime=0))
        self.version = digest.hexdigest()[:16]

    def get(self, version: str, name: str) -> File | None:
        """The file of this name; None if there is none, or only in another version."""
        return self._files.get(name) if version == self.version else None

    def url(self, name: str) -> str:
        """Where a file is, seen from the dashboard's base. Raises KeyError."""
        self._files[name]
        return f"assets/{self.version}/{name}"

    @property
    def css(self) -> str:
        return self.url("dashboard.css")


ASSETS: Final = Files()


def asset(request: Request) -> Response:
    """`GET assets/{version}/{name}`."""
    file = ASSETS.get(request.path_params["version"], request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.packed, headers=headers, media_type=file.type)
    return Response(file.plain, headers=headers, media_type=file.type)
