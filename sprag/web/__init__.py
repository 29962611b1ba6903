"""The page: an ASGI application around durable queues. Needs the extra `sprag-queue[web]`."""

from .actions import action
from .app import App
from .controller import Controller
from .errors import ActionError, StartupError
from .pages import Page
from .schema import Field, Schema
from .uploads import Upload

__all__ = [
    "ActionError",
    "App",
    "Controller",
    "Field",
    "Page",
    "Schema",
    "StartupError",
    "Upload",
    "action",
]
