"""`Upload`: a file that was sent to an action."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

import pydantic_core
from pydantic_core import core_schema

from ..queue.operators import sync, sync_folder

_NAME_LENGTH: Final = 200


class Upload:
    """A file that the browser sent. It exists only during the call: save what you need.

    `name` is the last part of the name that the browser sent, not to be trusted
    more than any other input; `size` is in bytes; `content_type` is the browser's
    guess.
    """

    def __init__(self, name: str, size: int, content_type: str, file: BinaryIO) -> None:
        self.name: str = _plain(name)
        self.size = size
        self.content_type = content_type
        self.file = file

    def read(self) -> bytes:
        """The whole content."""
        self.file.seek(0)
        return self.file.read()

    def save(self, path: str | Path) -> Path:
        """Write the content to `path`, which must not exist yet. A power loss does not take the
        file of a job that was enqueued after this call. Raises FileExistsError."""
        self.file.seek(0)
        with Path(path).open("xb") as target:
            shutil.copyfileobj(self.file, target)
            target.flush()
            sync(target.fileno())
        sync_folder(Path(path).parent)
        return Path(path)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        def check(value: Any) -> Upload:
            if not isinstance(value, cls):
                raise pydantic_core.PydanticCustomError("upload", "Expected a file")
            return value

        return core_schema.no_info_plain_validator_function(check)


def _plain(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/")).name
    text = "".join(letter for letter in last if letter.isprintable()).strip(". ")
    return text[-_NAME_LENGTH:] or "file"
