"""Versions of what is measured; run as `python -m _bench.web.versions`, prints one line."""

from __future__ import annotations

from importlib.metadata import version

PACKAGES = ("apsw", "starlette", "uvicorn", "pydantic", "websockets", "brython", "playwright")

if __name__ == "__main__":
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
