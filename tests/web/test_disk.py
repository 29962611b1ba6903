"""What pages leave beside the database, or elsewhere, survives a power loss."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from sprag.web import Upload
from sprag.web.secret import secret_of
from tests.synced import Disk


def test_an_upload_is_saved_for_good_name_and_all(tmp_path: Path, disk: Disk) -> None:
    seen: list[tuple[str, int]] = []
    disk.sync = lambda path: seen.append((path.name, (tmp_path / "cat.jpg").stat().st_size))
    Upload("cat.jpg", 3, "image/jpeg", BytesIO(b"cat")).save(tmp_path / "cat.jpg")
    assert seen == [("cat.jpg", 3), (tmp_path.name, 3)]


def test_the_secret_that_signs_cookies_stays_name_and_all(database: Path, disk: Disk) -> None:
    seen: list[tuple[str, bool]] = []
    folder = Path(f"{database}-sprag")
    disk.sync = lambda path: seen.append((path.name, (folder / "secret").exists()))
    secret_of(str(database))
    assert seen[0] == (database.parent.name, False)
    assert seen[-1] == (folder.name, True)
