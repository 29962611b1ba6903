from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from sprag.queue import Job, QueueService
from tests.cli import terminal
from tests.cli.conftest import Sprag
from tests.cli.terminal import line_with
from tests.conftest import MakeQueue
from tests.support import DEADLINE, finished

PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with modules."""
    for name, code in {
        "app.py": (PROGRAMS / "queues.py").read_text(encoding="utf-8"),
        "single.py": "from app import Slow\nclass One(Slow): name = 'one'",
        "broken.py": "import sys\n1 / 0",
        "needs.py": "import a_module_that_is_not_there",
        "package/__init__.py": "",
        "package/deep.py": "from app import *\nclass Deep(Quick): name = 'deep'",
        "nothing.py": "",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
    return tmp_path


def started(process: subprocess.Popen[str]) -> None:
    """Return when a handler has said so."""
    line_with(process, "started", error=False)


def test_it_runs_jobs_until_sigterm_and_ends_with_0(
    folder: Path, database: Path, make_queue: MakeQueue
) -> None:
    queue = make_queue(name="quick")
    jobs = queue.enqueue_many([1, 2, 3])
    with terminal.beside("work", "app:Quick", "-d", database, "-w", "2", cwd=folder) as process:
        assert [job.result for job in finished(queue, *jobs)] == [2, 4, 6]
        assert finished(queue, queue.enqueue("a"))[0].result == "aa"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out) == (0, "")
    assert "queue quick runs with 2 workers" in err
    assert "SIGTERM" in err
    assert err.rstrip().endswith("stopped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_running_job_has_its_grace_then_goes_back_without_losing_an_attempt(
    folder: Path, database: Path, make_queue: MakeQueue, number: signal.Signals
) -> None:
    queue = make_queue(name="slow")
    job = queue.enqueue("until told")
    command = ["work", "app:Slow", "-d", database, "--grace", "0.1s"]
    with terminal.beside(*command, cwd=folder) as process:
        started(process)
        process.send_signal(number)
        assert process.wait(DEADLINE) == 0
    after = queue.get(job.id)
    assert (after.status, after.attempt, after.crashes) == ("queued", 0, 0)
    assert [move.event for move in queue.history(job.id)] == ["enqueue", "start", "release"]


def test_a_second_ctrl_c_ends_it_at_once_and_the_job_is_recovered(
    folder: Path, database: Path, make_queue: MakeQueue, sprag: Sprag
) -> None:
    queue = make_queue(name="deaf")
    job = queue.enqueue(1)
    queue.stop()
    command = ["work", "app:Deaf", "-d", database, "--grace", "1h"]
    with terminal.beside(*command, cwd=folder) as process:
        started(process)
        process.send_signal(signal.SIGINT)
        line_with(process, "stopping (SIGINT)")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    assert sprag("recover").out == f"{job.id} deaf queued\n"


def test_a_job_that_ends_within_the_grace_is_completed(
    folder: Path, database: Path, make_queue: MakeQueue
) -> None:
    queue = make_queue(name="slow")
    job = queue.enqueue("short")
    with terminal.beside("work", "app:Slow", "-d", database, cwd=folder) as process:
        started(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert queue.get(job.id).status == "completed"


def test_several_queues_run_in_one_process(
    folder: Path, database: Path, make_queue: MakeQueue
) -> None:
    queues: list[QueueService] = [make_queue(name=name) for name in ("quick", "one", "deep")]
    jobs: list[Job] = [queue.enqueue("short") for queue in queues]
    command = ["work", "app:Quick", "single", "package.deep:Deep", "-d", database]
    with terminal.beside(*command, cwd=folder) as process:
        for queue, job in zip(queues, jobs, strict=True):
            assert finished(queue, job)[0].status == "completed"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def test_an_instance_brings_its_own_database(folder: Path, make_queue: MakeQueue) -> None:
    queue = make_queue(name="quick", database=folder / "instance.db")
    job = queue.enqueue(4)
    with terminal.beside("work", "app:ready", cwd=folder) as process:
        assert finished(queue, job)[0].result == 8
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    refused = terminal.run("work", "app:ready", "-d", "other.db", cwd=folder)
    assert refused.returncode == 2
    assert "instance.db" in refused.stderr


def test_the_environment_names_the_database_of_a_class(
    folder: Path, database: Path, make_queue: MakeQueue
) -> None:
    queue = make_queue(name="quick")
    job = queue.enqueue(4)
    with terminal.beside("work", "app:Quick", cwd=folder, SPRAG_DATABASE=str(database)) as process:
        assert finished(queue, job)[0].result == 8
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def test_a_log_line_is_one_line_whatever_a_job_says(
    folder: Path, database: Path, make_queue: MakeQueue
) -> None:
    queue = make_queue(name="failing")
    job = queue.enqueue(1)
    with terminal.beside("work", "app:Failing", "-v", "-d", database, cwd=folder) as process:
        finished(queue, job)
        seen = line_with(process, f"{job.id} of failing: fail, failed at attempt 1")
        process.send_signal(signal.SIGTERM)
        err = seen + process.communicate(timeout=DEADLINE)[1]
    assert "\x1b" not in err
    assert not [line for line in err.splitlines() if line.startswith("2026-01-01 error")]


def test_the_log_can_be_json(folder: Path, database: Path, make_queue: MakeQueue) -> None:
    queue = make_queue(name="failing")
    job = queue.enqueue(1)
    with terminal.beside("work", "app:Failing", "--json", "-d", database, cwd=folder) as process:
        finished(queue, job)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=DEADLINE)[1]
    records = [json.loads(line) for line in err.splitlines()]
    assert all(
        set(record) == {"at", "level", "logger", "message", "traceback"} for record in records
    )
    (failure,) = [record for record in records if record["level"] == "error"]
    assert job.id in failure["message"]
    assert "ValueError" in failure["traceback"]


REFUSED = [
    ("no_such_module:Queue", 2, "module 'no_such_module' was not found"),
    ("package.no_such:Queue", 2, "module 'package.no_such' was not found"),
    ("app:Missing", 2, "app has no 'Missing'; it has app:Quick, app:Slow"),
    ("app:Quick.inner", 2, "has no 'Quick.inner'"),
    (
        "app:number",
        2,
        "expected a subclass of sprag.QueueService or an instance of one, got int",
    ),
    ("app:function", 2, "got function"),
    ("app:threading.Event", 2, "got the class Event"),
    ("app:QueueService", 2, "got the class QueueService"),
    ("app", 2, "expected exactly one queue; it has app:Quick"),
    ("nothing", 2, "it has no queue"),
    ("app.py:Quick", 2, "write modules with dots"),
    ("./app.py", 2, "write modules with dots"),
    ("app:", 2, "expected an import path such as"),
    ("", 2, "expected an import path such as"),
    ("app:Needy", 2, "Create an instance in its module"),
    ("broken:Queue", 1, "ZeroDivisionError"),
    ("needs:Queue", 1, "a_module_that_is_not_there"),
]
"""What is given, the exit code, and words of the answer."""


def test_what_is_no_queue_is_refused_in_words(folder: Path) -> None:
    ended = terminal.each(*(("work", path) for path, _, _ in REFUSED), cwd=folder)
    for (path, code, words), done in zip(REFUSED, ended, strict=True):
        assert (done.returncode, done.stdout) == (code, ""), path
        assert words in done.stderr
        assert ("Traceback" in done.stderr) == (code == 1), path
        assert "importlib" not in done.stderr, path
    assert not (folder / "sprag.db-sprag").exists()


def test_a_queue_without_a_handler_is_refused_in_words(folder: Path) -> None:
    done = terminal.run("work", "app:Handless", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no handle_item" in done.stderr


def test_one_queue_twice_is_refused(folder: Path, database: Path) -> None:
    done = terminal.run("work", "app:Quick", "package.deep:Quick", "-d", database, cwd=folder)
    assert done.returncode == 2
    assert "quick, quick" in done.stderr


def test_no_path_and_wrong_options_are_wrong_usage(sprag: Sprag) -> None:
    for arguments in ((), ("app:Quick", "--workers=0"), ("app:Quick", "--grace=soon")):
        assert sprag("work", *arguments).code == 2


def test_a_file_it_cannot_use_ends_it_with_3(folder: Path, database: Path) -> None:
    database.write_text("no database " * 100)
    done = terminal.run("work", "app:Quick", "-d", database, cwd=folder)
    assert done.returncode == 3
    assert "not a SQLite database" in done.stderr
    assert "Traceback" not in done.stderr
