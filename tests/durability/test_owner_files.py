"""After power loss a lock file must not be missing: nobody could tell whether its owner is dead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sprag.queue.owners import OwnerLock


def test_the_name_of_a_lock_file_and_of_its_folder_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, list[str]]] = []
    fsync = os.fsync

    def noted(fd: int) -> None:
        fsync(fd)
        synced.append((os.fstat(fd).st_ino, sorted(os.listdir(fd))))

    monkeypatch.setattr(os, "fsync", noted)
    lock = OwnerLock(tmp_path / "owners")
    lock.release()
    assert synced == [
        (tmp_path.stat().st_ino, ["owners"]),
        ((tmp_path / "owners").stat().st_ino, [f"{lock.token}.lock"]),
    ]


def test_a_folder_that_cannot_be_synced_keeps_nobody_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    OwnerLock(tmp_path / "owners").release()
