"""What lies beside a database: whose it is, who may use it, and that nothing of it remains."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sprag.queue import DatabaseReadOnly
from sprag.queue.file import beside
from sprag.queue.file.beside import Folder, folder_of, tidy
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, finished, unmeasured

MEMBER = Path(__file__).parent / "programs" / "member.py"
GROUP, FIRST, SECOND = 2000, 2001, 2002

several_users = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root can be several users"
)


class Member:
    """A process of some user that works on the database."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.said: list[str] = []

    def until(self, beginning: str) -> str:
        """The next line that begins so."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.startswith(beginning):
                return self.said[-1]
        raise AssertionError(f"it ended without {beginning!r}: {self.said}")

    def ask(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(DEADLINE)

    def until_killed(self) -> None:
        assert self._process.wait(DEADLINE) == -signal.SIGKILL

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(DEADLINE) == 0


@contextmanager
def member(database: Path, user: int, *groups: int, dies_at: str = "") -> Iterator[Member]:
    command = [
        sys.executable, str(MEMBER), str(database), str(user), ",".join(map(str, groups)), dies_at
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=unmeasured(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield Member(process)
        finally:
            process.kill()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A database of the group, in a folder of the group."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o775)
        os.chown(folder, 0, GROUP)
        database = Path(folder).resolve() / "jobs.db"
        database.touch()
        os.chown(database, FIRST, GROUP)
        database.chmod(0o660)
        yield database


def rights(path: Path) -> tuple[str, int]:
    found = path.stat()
    return oct(stat.S_IMODE(found.st_mode)), found.st_gid


@several_users
@pytest.mark.parametrize("folder_mode", [0o775, 0o2775])
@pytest.mark.parametrize("own_group", [GROUP, 3000])
def test_a_dead_process_of_another_user_of_the_group_is_recovered(
    shared: Path, folder_mode: int, own_group: int
) -> None:
    shared.parent.chmod(folder_mode)
    with member(shared, FIRST, own_group, GROUP) as first:
        first.until("runs")
        with member(shared, SECOND, GROUP) as second:
            second.until("started")
            first.kill()
            assert second.until("runs") == f"runs {SECOND}"
            second.end()
        assert not [line for line in second.said if "nobody can tell" in line]


@several_users
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o664, 0o666])
@pytest.mark.parametrize("own_group", [GROUP, 3000])
def test_everything_beside_the_database_has_its_mode_and_group(
    shared: Path, mode: int, own_group: int
) -> None:
    shared.chmod(mode)
    folder = folder_of(shared)
    with member(shared, FIRST, own_group, GROUP) as first:
        first.until("started")
        files = [path for path in shared.parent.iterdir() if path.is_file()] + list(
            folder.iterdir()
        )
        assert sorted(path.suffix for path in files) == ["", ".db", ".db-shm", ".db-wal", ".lock"]
        assert {rights(path) for path in files} == {(oct(mode), GROUP)}
        assert rights(folder) == (oct(mode | (mode & 0o444) >> 2), GROUP)


@several_users
def test_what_root_makes_belongs_to_the_owner_of_the_database(shared: Path) -> None:
    with member(shared, 0, 0) as root:
        root.until("started")
        folder = folder_of(shared)
        assert {path.stat().st_uid for path in (folder, *folder.iterdir())} == {FIRST}
    assert shared.stat().st_uid == FIRST


@several_users
def test_a_user_who_is_not_in_the_group_is_told_and_gives_no_other_group_any_right(
    shared: Path,
) -> None:
    with member(shared, FIRST, 3000) as first:
        shared.parent.chmod(0o777)
        assert "is not a member of it" in first.until("logged")
        first.until("runs")
        [lock] = folder_of(shared).glob("*.lock")
        assert rights(lock) == ("0o600", 3000)
    folder_of(shared).chmod(0o2770)
    os.chown(folder_of(shared), FIRST, GROUP)
    folder_of(shared).chmod(0o2770)
    with member(shared, FIRST, 3000) as first:
        first.until("runs")
        assert not [line for line in first.said if line.startswith("logged files")]


@several_users
def test_a_lock_file_that_this_user_may_not_read_is_told_once_with_the_remedy(
    shared: Path,
) -> None:
    with member(shared, FIRST, GROUP) as first:
        first.until("runs")
        [lock] = folder_of(shared).glob("*.lock")
        lock.chmod(0o600)  # as they once were made
        with member(shared, SECOND, GROUP) as second:
            told = second.until("logged")
            assert f"this user may not read its lock file {lock} (mode 0600, user {FIRST}" in told
            assert f"chmod g+r {lock}" in told
            second.until("started")
            second.ask("processes")
            assert second.until("process unknown").endswith(f"group {GROUP})")
            first.kill()
            lock.chmod(0o660)
            assert second.until("runs") == f"runs {SECOND}"
            second.end()
        assert sum("nobody can tell" in line for line in second.said) == 1


@several_users
@pytest.mark.parametrize("call", ["os.mkdir", "open", "os.chmod", "os.rename"])
def test_a_process_that_dies_while_it_makes_the_folder_is_in_nobody_s_way(
    shared: Path, call: str
) -> None:
    with member(shared, FIRST, GROUP, dies_at=call) as first:
        first.until_killed()
    assert folder_of(shared).exists() is False
    with member(shared, SECOND, GROUP) as second:
        second.until("started")
        assert rights(folder_of(shared)) == ("0o770", GROUP)
        second.end()
    with member(shared, FIRST, GROUP) as first:
        first.until("started")
        assert rights(folder_of(shared)) == ("0o770", GROUP)
        first.end()
    assert [path.name for path in shared.parent.iterdir()] == [shared.name]


@several_users
def test_a_reserve_of_another_time_is_made_anew(shared: Path) -> None:
    folder = folder_of(shared)
    with member(shared, FIRST, GROUP) as first:
        first.until("runs")
        (folder / "reserve").chmod(0o600)
        with member(shared, SECOND, GROUP) as second:
            second.until("started")
            assert (folder / "reserve").stat().st_size > 0
            assert rights(folder / "reserve") == ("0o660", GROUP)
        assert not [line for line in second.said if "set aside" in line]


def test_a_backup_has_the_mode_of_the_original(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue()
    queue.enqueue(1)
    database.chmod(0o640)
    queue.backup(database.with_name("copy.db"))
    assert rights(database.with_name("copy.db")) == rights(database)


# ---------------------------------------------------------------- what remains


def left(database: Path) -> list[str]:
    return sorted(str(path.relative_to(database.parent)) for path in database.parent.rglob("*"))


def test_after_the_last_clean_stop_only_the_database_remains(
    make_queue: MakeQueue, database: Path
) -> None:
    first, second = make_queue(), make_queue()
    with first:
        finished(first, first.enqueue(1))
        assert "jobs.db-sprag/reserve" in left(database)
    assert left(database) == ["jobs.db"]
    second.enqueue(2)
    second.stop()
    assert left(database) == ["jobs.db"]


def test_what_another_process_needs_stays(make_queue: MakeQueue, database: Path) -> None:
    gate = Gate()
    with make_queue(lambda self, item: gate.hold()) as queue:
        job = queue.enqueue(1)
        gate.wait_held()
        before = left(database)
        other = Folder(folder_of(database))
        other.close()
        tidy(folder_of(database), lambda: pytest.fail("it is in use"))
        assert left(database) == before
        gate.open()
        finished(queue, job)


def test_a_lock_file_stays_while_its_owner_is_known(database: Path) -> None:
    database.touch()
    folder = Folder(folder_of(database))
    for name in ("known.lock", "unknown.lock", "secret"):
        os.close(folder.create(name))
    folder.close()
    tidy(folder.path, lambda: ["known"])
    assert sorted(path.name for path in folder.path.iterdir()) == ["known.lock", "secret"]
    (folder.path / "secret").unlink()
    tidy(folder.path, list)
    assert not folder.path.exists()


def test_nobody_who_arrives_loses_what_another_tidies(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.touch()
    path = folder_of(database)
    start, wrong = threading.Barrier(4), []
    monkeypatch.setattr(beside, "sync_folder", lambda folder: None)

    def come_and_go(number: int) -> None:
        start.wait(DEADLINE)
        for round_ in range(300):
            try:
                folder = Folder(path)
                name = f"{number}-{round_}.lock"
                os.close(folder.create(name))
                (path / name).stat()  # nobody has removed it
                (path / name).unlink()
                folder.close()
                tidy(path, list)
            except BaseException as error:
                wrong.append(error)
                raise

    threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert wrong == []
    assert not path.exists()


def test_a_program_that_ends_without_a_stop_leaves_only_the_database(database: Path) -> None:
    program = Path(__file__).with_name("programs") / "exits_without_stop.py"
    subprocess.run([sys.executable, program, database], env=unmeasured(), check=True,
                   capture_output=True, timeout=DEADLINE)  # fmt: skip
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_a_link_to_nowhere_in_the_place_of_the_folder_is_named(
    make_queue: MakeQueue, database: Path
) -> None:
    queue = make_queue()
    queue.counts()
    folder_of(database).symlink_to("nowhere")
    with pytest.raises(DatabaseReadOnly) as refusal:
        queue.start()
    assert str(refusal.value).endswith("(it is a link to a folder that does not exist)")
    (database.parent / "nowhere").mkdir()
    with queue:
        finished(queue, queue.enqueue(1))
