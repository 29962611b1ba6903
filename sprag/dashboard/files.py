"""Files that browsers load: read once, named by the fingerprint of all of them, and cached by
browsers without an end."""

from __future__ import annotations

from importlib import resources
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..http.files import File, fingerprint, packed
from ..http.sending import send_file


class Files:
    """The files of the folder `static`. Their addresses change whenever any of them does, so that
    modules import each other by their plain names."""

    def __init__(self) -> None:
        folder = resources.files(__package__).joinpath("static")
        files = [packed(entry.name, entry.read_bytes()) for entry in folder.iterdir()]
        self._files: dict[str, File] = {file.name: file for file in files}
        whole = [f"{name} {fingerprint(file.content)}" for name, file in self._files.items()]
        self.version = fingerprint("\n".join(sorted(whole)).encode())

    def get(self, version: str, name: str) -> File | None:
        """The file of this name; None if there is none, or only in another version."""
        return self._files.get(name) if version == self.version else None

    def url(self, name: str) -> str:
        """Where a file is, seen from the dashboard's base. Raises KeyError."""
        return f"assets/{self.version}/{self._files[name].name}"

    @property
    def css(self) -> str:
        return self.url("dashboard.css")


ASSETS: Final = Files()


def asset(request: Request) -> Response:
    """`GET assets/{version}/{name}`."""
    file = ASSETS.get(request.path_params["version"], request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    return send_file(request, file)
