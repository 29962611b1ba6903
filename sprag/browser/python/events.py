"""Events of the page, and the files that they bring."""

from __future__ import annotations

from .elements import Element
from .line import call

TYPE_CHECKING = False  # known to checkers by its name; a browser needs no types
if TYPE_CHECKING:
    from typing import Any


class Event:
    """An event: its `type`, its `key` (of the keyboard), and the target's `value` and `files`."""

    def __init__(self, said: dict[str, Any]) -> None:
        self._number: int = said["event"]
        self.type: str = said["type"]
        self.key: str | None = said["key"]
        self.value: str | None = said["value"]
        self.files: list[File] = [File(file) for file in said["files"]]
        self.target: Element = Element(said["target"])

    def prevent_default(self) -> None:
        """Keep the browser from its default action, such as sending a form."""
        call("prevent_default", event=self._number)

    def stop_propagation(self) -> None:
        """Do not report the event to outer elements."""
        call("stop_propagation", event=self._number)

    def __repr__(self) -> str:
        return f"<Event {self.type}>"


class File:
    """A file that the user chose or dropped: `name`, `size` in bytes, `type` (of media).

    Its content stays in the browser until an action is called with it.
    """

    def __init__(self, said: dict[str, Any]) -> None:
        self._number: int = said["file"]
        self.name: str = said["name"]
        self.size: int = said["size"]
        self.type: str = said["type"]

    def __repr__(self) -> str:
        return f"<File {self.name!r}>"
