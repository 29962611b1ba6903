"""What browsers load once and keep: scripts, under names that change with their content."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..browser import core_assets, page_module, python_assets, stylesheet
from ..http.files import File
from ..http.sending import send_file


class Assets:
    """The application's assets, all in memory."""

    def __init__(self) -> None:
        self._assets: dict[str, File] = {asset.name: asset for asset in core_assets()}

    def add_python(self) -> None:
        """What pages with modules in Python need."""
        self._assets.update((asset.name, asset) for asset in python_assets())

    def add_stylesheet(self) -> str:
        """The default stylesheet; its name."""
        asset = stylesheet()
        self._assets[asset.name] = asset
        return asset.name

    def add_module(self, path: Path) -> str:
        """A page's own module; its name."""
        asset = page_module(path)
        self._assets[asset.name] = asset
        return asset.name

    async def __call__(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            # Never an HTML page: Brython looks for Python modules here, and would read it as one.
            return PlainTextResponse("There is no such file\n", 404)
        return send_file(request, asset)
