"""Use the lazy names of sprag where there is no starlette."""

from __future__ import annotations

import sys

import sprag


class Nowhere:
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "starlette":
            raise ModuleNotFoundError("No module named 'starlette'", name=name)


sys.meta_path.insert(0, Nowhere())
_ = sprag.QueueService, sprag.Module
try:
    _app = sprag.App
except ModuleNotFoundError as error:
    print(error)
