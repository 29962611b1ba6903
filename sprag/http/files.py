"""Files that browsers load: each is read, fingerprinted and compressed once."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from typing import Final

_DIGITS: Final = 12
_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "py": "text/x-python; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True)
class File:
    """A file to be sent under its name, with its content as it is and gzipped."""

    name: str
    content: bytes
    gzipped: bytes
    media_type: str
    immutable: bool = True
    """Its address changes with its content, so that a browser may keep it for good."""


def packed(name: str, content: bytes, *, immutable: bool = True) -> File:
    """The file of this name. Its ending says of which media type it is; KeyError if none is known
    for that."""
    media_type = _MEDIA_TYPES[name.rpartition(".")[2]]
    # With the time of compression in it, two processes would send different bytes.
    return File(name, content, gzip.compress(content, 9, mtime=0), media_type, immutable)


def named_by_content(name: str, content: bytes) -> File:
    """Like `packed`, but the fingerprint becomes a part of the name: `sprag.0123456789ab.js`."""
    stem, _, ending = name.rpartition(".")
    return packed(f"{stem}.{fingerprint(content)}.{ending}", content)


def fingerprint(content: bytes) -> str:
    """Some hexadecimal digits that no other content has."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
