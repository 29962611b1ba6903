"""The secret that signs cookies, and the id that names them."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sprag.web import StartupError
from sprag.web.secret import cookie_name, secret_of
from tests.client import call
from tests.conftest import MakeQueue
from tests.support import DEADLINE, finished, unmeasured
from tests.web.conftest import Browse, MakeApp


def test_the_secret_is_kept_beside_the_file_for_its_owner_alone(
    make_app: MakeApp, browse: Browse, database: Path
) -> None:
    client = browse(make_app(secret=None))
    client.get("/")
    file = Path(f"{database}-sprag") / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text()) >= 32
    assert [path.name for path in file.parent.glob("secret*")] == ["secret"]


def test_a_secret_is_made_while_jobs_are_run(make_queue: MakeQueue, database: Path) -> None:
    made: list[str] = []
    with make_queue() as queue:
        finished(queue, queue.enqueue(1))
        thread = threading.Thread(target=lambda: made.append(secret_of(str(database))), daemon=True)
        thread.start()
        thread.join(DEADLINE)
        assert made
    assert [path.name for path in Path(f"{database}-sprag").iterdir()] == ["secret"]
    assert secret_of(str(database)) == made[0]


def test_the_environment_says_the_secret(
    make_app: MakeApp, browse: Browse, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPRAG_SECRET", "a secret of the environment")
    app = make_app(secret=None)
    client = browse(app)
    id_ = call(client, "enqueue", item=1).json()["value"]["job_id"]
    assert not (Path(f"{database}-sprag") / "secret").exists()
    # Another process with the same secret knows the visitor.
    other = browse(make_app(secret="a secret of the environment"))
    other.cookies = client.cookies
    assert call(other, "status", job_id=id_).is_success


def test_processes_that_race_make_one_secret(tmp_path: Path) -> None:
    program = str(Path(__file__).with_name("racing_secret.py"))
    database = str(tmp_path / "x.db")
    racers = [
        subprocess.Popen(
            [sys.executable, program, database], env=unmeasured(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
        racer.stdin = None
    said = {racer.communicate(timeout=DEADLINE)[0].strip() for racer in racers}
    assert said == {f"{secret_of(database)} {cookie_name(database, 'one secret of all')}"}


@pytest.mark.parametrize("name", ["secret", "site"])
def test_what_cannot_be_read_is_told_with_its_file_and_what_to_do(
    tmp_path: Path, name: str
) -> None:
    database = str(tmp_path / "x.db")
    (tmp_path / "x.db-sprag" / name).mkdir(parents=True)
    with pytest.raises(StartupError, match=rf"x.db-sprag/{name}.*give this process") as told:
        cookie_name(database, secret_of(database))
    assert ("SPRAG_SECRET" in str(told.value)) == (name == "secret")


@pytest.mark.parametrize("torn", [b"", b"short", b"\0" * 43, b"\xff" * 43])
def test_a_torn_secret_is_replaced_and_that_is_logged(
    tmp_path: Path, torn: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "x.db-sprag" / "secret"
    file.parent.mkdir()
    file.write_bytes(torn)
    found = secret_of(str(tmp_path / "x.db"))
    assert len(found) >= 32
    assert "was empty or damaged" in caplog.text
    assert found == secret_of(str(tmp_path / "x.db"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret"]


def test_a_secret_that_everyone_may_read_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret_of(str(tmp_path / "x.db"))
    assert caplog.text == ""
    (tmp_path / "x.db-sprag" / "secret").chmod(0o644)
    secret_of(str(tmp_path / "x.db"))
    assert "chmod 600" in caplog.text


def test_a_linked_database_keeps_its_secret_and_its_cookies_name(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    real = tmp_path / "shared" / "x.db"
    found = secret_of(str(real))
    name = cookie_name(str(real), found)
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        link = tmp_path / release / "x.db"
        link.symlink_to("../shared/x.db")
        assert secret_of(str(link)) == found
        assert cookie_name(str(link), found) == name
        assert list(link.parent.iterdir()) == [link]
    folder = tmp_path / "current"
    folder.symlink_to("shared")
    assert secret_of(str(folder / "x.db")) == found


def test_the_cookies_name_is_another_for_each_database_and_each_secret(tmp_path: Path) -> None:
    one, two = str(tmp_path / "1.db"), str(tmp_path / "2.db")
    names = {cookie_name(one, "a"), cookie_name(two, "a"), cookie_name(one, "b")}
    assert len(names) == 3
    assert cookie_name(one, "a") in names
