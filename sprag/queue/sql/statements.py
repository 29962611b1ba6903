"""The named statements of `queries.sql`, the schema they are written against, and the scripts
that bring older files to it."""

from __future__ import annotations

import pkgutil
import re
from typing import Final


def _read(name: str) -> str:
    # As package data, which may be in a zip. importlib.resources would take a tenth of the
    # package's import.
    data = pkgutil.get_data(__package__, name)
    if data is None:
        raise FileNotFoundError(f"{name} is missing from the package {__package__}")
    return data.decode()


def _load(text: str) -> dict[str, str]:
    """Name to statement; comments and line breaks go, so that apsw's cache hashes less. A
    "{part}" becomes the block of that name that begins with "-- part:"."""
    found: dict[str, str] = {}
    parts: dict[str, str] = {}
    blocks = re.split(r"^-- (name|part): ", text, flags=re.MULTILINE)[1:]
    for kind, block in zip(blocks[::2], blocks[1::2], strict=True):
        name, _, body = block.partition("\n")
        lines = (line.partition("-- ")[0].strip() for line in body.splitlines())
        whole = " ".join(line for line in lines if line).rstrip(";")
        whole = re.sub(r"\{(\w+)\}", lambda part: parts[part[1]], whole)
        (found if kind == "name" else parts)[name.strip()] = whole
    return found


SCHEMA: Final = _read("schema.sql")
STATEMENTS: Final = _load(_read("queries.sql"))
MIGRATIONS: Final = {int(to): script for to, script in _load(_read("migrations.sql")).items()}
