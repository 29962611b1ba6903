"""A disk whose syncs, outside of SQLite, a test sees and lets fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


class Disk:
    """What is synced outside of SQLite: `sync` is called with each path, before it is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sync: Callable[[Path], None] = lambda path: None
        fsync = os.fsync

        def synced(fd: int) -> None:
            self.sync(Path(f"/proc/self/fd/{fd}").readlink())
            fsync(fd)

        monkeypatch.setattr(os, "fsync", synced)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to tell which file a descriptor is of")
    return Disk(monkeypatch)
