"""One class runs a queue's jobs in a process; a later definition of it takes its place."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sprag.queue import ConfigurationError, QueueService, StopInsideHandler
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, finished, sql, unmeasured, until_stopping, wait

PROGRAMS = Path(__file__).with_name("programs")


class Mail(QueueService):
    name = "mail"
    worker_count = 1

    def handle_item(self, item: Any) -> str:
        return "Mail"


class Sms(Mail):  # its author forgot the name
    def handle_item(self, item: Any) -> str:
        return "Sms"


def results(queue: QueueService, count: int = 20) -> set[Any]:
    jobs = queue.enqueue_many(range(count))
    return {job.result for job in finished(queue, *jobs)}


def test_a_different_class_for_one_queue_is_refused_with_both_named(make_queue: MakeQueue) -> None:
    first = make_queue(Mail).start()
    second = make_queue(Sms)
    with pytest.raises(ConfigurationError) as refusal:
        second.start()
    told = str(refusal.value)
    for kind in (Mail, Sms):
        line = kind.handle_item.__code__.co_firstlineno
        assert f"tests.queue.test_rivals.{kind.__name__} ({__file__}:{line})" in told
    assert "queue 'mail' of " in told
    assert results(first) == {"Mail"}
    # What was refused is a client, and may start once the first has stopped.
    assert second.get(second.enqueue(1).id).queue == "mail"
    first.stop()
    second.start()
    assert results(second) == {"Sms"}


def test_a_file_is_the_same_by_any_path(make_queue: MakeQueue, database: Path) -> None:
    make_queue(Mail).start()
    link = database.with_name("link")
    link.symlink_to(database.parent)
    with pytest.raises(ConfigurationError, match="already run in this process"):
        make_queue(Sms, database=link / database.name).start()


def test_another_name_or_file_is_no_rival(make_queue: MakeQueue, database: Path) -> None:
    mail = make_queue(Mail).start()
    sms = make_queue(Sms, name="sms").start()
    other = make_queue(Sms, database=database.with_name("other.db")).start()
    assert [results(queue) for queue in (mail, sms, other)] == [{"Mail"}, {"Sms"}, {"Sms"}]


def test_one_class_may_run_a_queue_several_times(make_queue: MakeQueue) -> None:
    queues = [make_queue(Mail).start() for _ in range(3)]
    assert results(queues[0]) == {"Mail"}
    assert all(life_of(queue).pool is not None for queue in queues)


def test_a_queue_that_only_enqueues_is_no_rival(make_queue: MakeQueue) -> None:
    runs = make_queue(Mail).start()
    client = make_queue(QueueService, name="mail")
    beside = make_queue(Sms)
    assert finished(runs, client.enqueue(1), beside.enqueue(1))[1].result == "Mail"


def test_of_two_that_start_at_once_one_runs(make_queue: MakeQueue) -> None:
    for _ in range(20):
        both = [make_queue(Mail), make_queue(Sms)]
        begin = threading.Barrier(2)
        refused: list[Exception] = []

        def start(
            queue: QueueService, begin: threading.Barrier = begin, refused: Any = refused
        ) -> None:
            begin.wait(DEADLINE)
            try:
                queue.start()
            except ConfigurationError as error:
                refused.append(error)

        threads = [threading.Thread(target=start, args=(queue,)) for queue in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert len(refused) == 1
        for queue in both:
            queue.stop()


def test_a_start_that_fails_leaves_the_queue_to_others(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_queue(Mail)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        with pytest.raises(RuntimeError):
            first.start()
    assert results(make_queue(Sms).start()) == {"Sms"}


def _no_thread(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


# ---------------------------------------------------------------- one class statement, run twice


def made(answer: Callable[[], Any]) -> type[QueueService]:
    class Made(QueueService):
        name = "made"

        def handle_item(self, item: Any) -> Any:
            return answer()

    return Made


def test_a_function_that_makes_one_class_twice_makes_no_rival(make_queue: MakeQueue) -> None:
    def answer() -> str:
        return "the same"

    queues = [make_queue(made(answer)).start() for _ in range(2)]
    assert results(queues[0]) == {"the same"}
    assert all(life_of(queue).pool is not None for queue in queues)


def test_a_function_that_makes_two_different_handlers_makes_rivals(make_queue: MakeQueue) -> None:
    first = make_queue(made(lambda: "first")).start()
    with pytest.raises(ConfigurationError, match=r"made\.<locals>\.Made.*made\.<locals>\.Made"):
        make_queue(made(lambda: "second")).start()
    assert results(first) == {"first"}


# ---------------------------------------------------------------- a class that is defined again


CELL = """
from sprag.queue import QueueService

class Mail(QueueService):
    name = "mail"
    worker_count = 1

    def handle_item(self, item):
        return hook({answer!r})
"""


@pytest.fixture
def notebook() -> Iterator[Callable[..., type[QueueService]]]:
    """Runs a cell that defines `Mail` in one module; its handler returns `hook(answer)`."""
    module = ModuleType("a_notebook")
    sys.modules[module.__name__] = module

    def run(answer: str, hook: Callable[[Any], Any] = str) -> type[QueueService]:
        vars(module)["hook"] = hook
        exec(compile(CELL.format(answer=answer), "<cell>", "exec"), vars(module))
        kind: type[QueueService] = vars(module)["Mail"]
        return kind

    yield run
    del sys.modules[module.__name__]


def test_a_class_that_is_defined_again_takes_the_place_of_the_first(
    make_queue: MakeQueue, notebook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first = make_queue(notebook("first")).start()
    assert results(first) == {"first"}
    with caplog.at_level(logging.WARNING, "sprag.queue"):
        second = make_queue(notebook("second")).start()
    assert results(second) == {"second"}
    assert life_of(first).pool is None
    [told] = [r.getMessage() for r in caplog.records if "defined again" in r.getMessage()]
    assert told.startswith("a_notebook.Mail was defined again: queue 'mail' of its earlier")
    # Its handle is a client's, and may not take the queue back.
    assert first.get(first.enqueue(1).id).queue == "mail"
    with pytest.raises(ConfigurationError, match=r"a_notebook\.Mail \(<cell>:8\)"):
        first.start()
    assert results(second) == {"second"}


def test_the_running_jobs_of_the_earlier_definition_get_their_grace(
    make_queue: MakeQueue, notebook: Any
) -> None:
    gate = Gate()
    first = make_queue(notebook("first", lambda _: gate.hold()), grace_seconds=DEADLINE).start()
    job = first.enqueue(1)
    gate.wait_held()
    kind = notebook("second")
    second = make_queue(kind)
    starting = threading.Thread(target=second.start)
    starting.start()
    until_stopping(first)
    waiting = second.enqueue(2)
    gate.open()
    starting.join(DEADLINE)
    assert [done.status for done in finished(second, job, waiting)] == ["completed"] * 2
    assert second.get(waiting.id).result == "second"


def test_a_handler_that_runs_its_own_cell_again_is_told_and_its_queue_goes_on(
    make_queue: MakeQueue, notebook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[QueueService] = []

    def hook(answer: str) -> str:
        if answer == "second":
            return answer
        made.append(make_queue(notebook("second", hook)))
        try:
            with made[0]:
                return "it started"
        except StopInsideHandler as error:
            return str(error)

    first = make_queue(notebook("first", hook)).start()
    [done] = finished(first, first.enqueue(1))
    assert str(done.result).startswith(
        "start() of a later definition of queue 'mail' was called inside its own handler"
    )
    assert "defined again" not in caplog.text
    assert life_of(made[0]).engine is None  # what did not start left nothing open
    assert life_of(first).pool is not None
    made[0].start()
    assert results(made[0]) == {"second"}
    assert life_of(first).pool is None


def test_an_author_s_stop_that_does_not_stop_is_no_trap(
    make_queue: MakeQueue, notebook: Any
) -> None:
    kind = notebook("first")
    kind.stop = lambda self, *grace: None
    first = make_queue(kind).start()
    second = make_queue(notebook("second")).start()
    assert life_of(first).pool is None
    assert results(second) == {"second"}


def test_a_module_that_is_reloaded_takes_the_place_of_the_first(
    make_queue: MakeQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "mails_of_a_test.py"
    file.write_text(CELL.format(answer="first") + "hook = str\n")
    module = importlib.import_module(file.stem)
    try:
        first = make_queue(module.Mail).start()
        assert results(first) == {"first"}
        file.write_text(CELL.format(answer="then") + "hook = str\n")
        importlib.reload(module)
        assert results(make_queue(module.Mail).start()) == {"then"}
        assert life_of(first).pool is None
    finally:
        del sys.modules[file.stem]


def test_at_a_prompt_the_newest_definition_wins_wherever_it_stands(database: Path) -> None:
    with (PROGRAMS / "prompt.py").open(encoding="utf-8") as cells:
        done = subprocess.run(
            [sys.executable, "-"], stdin=cells, capture_output=True, text=True, check=False,
            timeout=DEADLINE, env={**unmeasured(), "DATABASE": str(database)},
        )  # fmt: skip
    assert done.stdout.strip() == "{'second'}", done.stderr
    assert "__main__.cell.<locals>.Mail was defined again" in done.stderr


# ---------------------------------------------------------------- processes


def test_a_child_may_run_what_its_parent_runs(make_queue: MakeQueue, database: Path) -> None:
    with make_queue(Mail) as queue:
        queue.enqueue(1)
        pid = os.fork()
        if not pid:  # pragma: no cover  # another process
            code = 1
            try:
                child = Sms(database=database).start()
                child.stop()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert results(queue) == {"Mail"}
    assert sql(database, "SELECT count(*) FROM owner") == [(0,)]


def test_a_queue_that_waits_for_its_grace_makes_room_for_another(make_queue: MakeQueue) -> None:
    gate, begun = Gate(), threading.Event()

    class Slow(QueueService):
        name = "mail"

        def handle_item(self, item: Any) -> None:
            begun.set()
            gate.hold()

    slow = make_queue(Slow, grace_seconds=DEADLINE).start()
    slow.enqueue(1)
    wait(begun)
    stopping = threading.Thread(target=slow.stop)
    stopping.start()
    until_stopping(slow)
    assert results(make_queue(Mail).start()) == {"Mail"}
    gate.open()
    stopping.join(DEADLINE)
