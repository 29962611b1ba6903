"""What is wrong with a subclass is told when it is defined; what is its author's own is let be."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic

import pytest

from sprag.queue import Backoff, ConfigurationError, QueueService
from sprag.queue.declared import DeclaredQueue
from sprag.queue.definition import reserved
from sprag.queue.options import OPTIONS
from sprag.queue.service import life_of
from tests.support import DEADLINE, named


def defined(base: type[QueueService] = QueueService, /, **attributes: Any) -> type[QueueService]:
    """A subclass as a class statement with these attributes makes it."""
    body = {"name": "work", "handle_item": lambda self, item: item, **attributes}
    return type("Work", (base,), body)


def runs(queue: QueueService) -> bool:
    with queue:
        return bool(queue.wait(queue.enqueue("item").id, DEADLINE).result == "item")


# ---------------------------------------------------------------- names of one's own


PRIVATE = [
    "_pool", "_engine", "_loop", "_path", "_mutex", "_plain", "_subscriptions", "_life", "_lock",
    "_open", "_enqueue", "_options", "_check", "_stop", "_hurry", "_settings", "_started",
    "engine", "pool", "loop", "settings", "lock", "plain", "options", "subscriptions", "life",
]  # fmt: skip


@pytest.mark.parametrize("name", PRIVATE)
def test_an_attribute_of_one_s_own_does_not_collide(database: Path, name: str) -> None:
    def init(self: QueueService, **options: Any) -> None:
        QueueService.__init__(self, **options)
        setattr(self, name, "mine")

    queue = defined(__init__=init)(database=database)
    assert runs(queue)
    assert getattr(queue, name) == "mine"


def test_all_that_a_queue_holds_is_in_one_attribute(database: Path) -> None:
    queue = defined()(database=database, worker_count=2)
    assert runs(queue)
    given = {"database", "worker_count"}
    assert set(vars(queue)) - given == {"_sprag_life"}
    parts = [part for part in QueueService.__mro__ if part is not Generic]
    ours = {name for part in parts for name in vars(part)}
    private = {name for name in ours if name.startswith("_") and not name.endswith("__")}
    assert private == {"_sprag_life"}


# ---------------------------------------------------------------- an __init__ of one's own


def test_a_subclass_need_not_call_our_init(database: Path) -> None:
    class Work(QueueService):
        name = "work"

        def __init__(self, gate: threading.Event) -> None:
            self.gate = gate
            self.worker_count = 2

        def handle_item(self, item: Any) -> Any:
            self.gate.set()
            return item

    Work.database = database
    gate = threading.Event()
    queue = Work(gate)
    assert runs(queue)
    assert gate.is_set()
    assert life_of(queue).settings.worker_count == 2


def test_threads_that_use_it_first_have_one_inside(database: Path) -> None:
    class Work(QueueService):
        name = "work"

        def __init__(self) -> None:
            pass

    Work.database = database
    for _ in range(20):
        queue = Work()
        start = threading.Barrier(8)

        def look(queue: Work = queue, start: threading.Barrier = start) -> object:
            start.wait(DEADLINE)
            return life_of(queue)

        with ThreadPoolExecutor(8) as threads:
            assert (
                len({id(done.result()) for done in [threads.submit(look) for _ in range(8)]}) == 1
            )


def test_what_is_wrong_without_our_init_is_told_at_the_first_use(database: Path) -> None:
    class Work(QueueService):
        def __init__(self) -> None:
            self.database = database

    with pytest.raises(ConfigurationError, match=r"Work\.name: the queue has no name"):
        Work().enqueue(1)
    assert list(database.parent.iterdir()) == []


@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_dataclass_can_be_a_queue(database: Path, *, slots: bool, frozen: bool) -> None:
    class Work(QueueService):
        name: str = "work"
        database: str | Path = "elsewhere.db"
        grace_seconds: float = 0.0
        factor: int = 2
        tags: list[str] = field(default_factory=list)

        def handle_item(self, item: Any) -> Any:
            return item * self.factor

    kind: Any = dataclass(frozen=frozen, slots=slots)(Work)
    with kind(database=database, factor=3) as queue:
        assert queue.wait(queue.enqueue(2).id, DEADLINE).result == 6
    assert queue == kind(database=database, factor=3)
    again = dataclasses.replace(queue, factor=4)
    with again:
        assert again.wait(again.enqueue(2).id, DEADLINE).result == 8
    assert "factor=4" in repr(again)


def test_slots_and_mixins_work(database: Path) -> None:
    class Counts:
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.count = 0

    class Work(Counts, QueueService):
        __slots__ = ("last",)
        name = "work"

        def handle_item(self, item: Any) -> Any:
            self.last = item
            self.count += 1
            return item

    queue = Work(database=database)
    assert runs(queue)
    assert (queue.last, queue.count) == ("item", 1)


def test_an_option_in_a_slot_that_nobody_set_is_told(database: Path) -> None:
    class Work(QueueService):
        __slots__ = ("worker_count",)
        name = "work"

    assert Work(database=database, worker_count=2).worker_count == 2
    with pytest.raises(ConfigurationError, match=r"Work\.worker_count: expected a value, got none"):
        Work(database=database)


def test_a_queue_may_say_itself_what_it_equals(database: Path) -> None:
    class Work(QueueService):
        name = "work"

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

        def handle_item(self, item: Any) -> Any:
            return item

    assert runs(Work(database=database))


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps], ids=named)
def test_a_queue_cannot_be_copied_or_pickled(database: Path, take: Callable[[Any], object]) -> None:
    queue = defined()(database=database)
    with pytest.raises(TypeError, match="a Work cannot be copied or pickled: it holds threads"):
        take(queue)
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        take({"queue": [queue]} if take is not copy.copy else queue)


def test_a_subclass_may_say_how_it_is_copied(database: Path) -> None:
    class Work(QueueService):
        name = "work"

        def __reduce__(self) -> Any:
            return functools.partial(Work, database=self.database), ()

    copied = copy.deepcopy(Work(database=database))
    assert copied.path == str(database)


# ---------------------------------------------------------------- names that are ours


@pytest.mark.parametrize("name", sorted(reserved(QueueService)))
def test_an_attribute_that_hides_one_of_ours_is_refused(database: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Work\.{name}: '{name}' is a \w+ of every") as e:
        defined(**{name: 5})
    assert "which 5 would hide; give the attribute another name" in str(e.value)
    mixin = type("Mixin", (), {name: ["a", "b"]})
    with pytest.raises(ConfigurationError, match=rf"Work\.{name}: "):
        type("Work", (mixin, QueueService), {})
    queue = defined()(database=database)
    with pytest.raises(ConfigurationError, match=rf"Work\.{name}: "):
        setattr(queue, name, 5)
    assert runs(queue)


def test_a_class_or_a_property_hides_a_method() -> None:
    for value in (property(lambda self: []), type("Inner", (), {}), None):
        with pytest.raises(ConfigurationError, match=r"Work\.jobs: 'jobs' is a method"):
            defined(jobs=value)


def test_methods_may_be_overridden(database: Path) -> None:
    said = []

    class Work(QueueService):
        name = "work"
        report_progress = functools.partialmethod(QueueService.report_progress, total=10)

        @staticmethod
        def handle_item(item: Any) -> Any:
            return item

        @property
        def path(self) -> str:
            return super().path.upper()

        def stop(self, *args: Any) -> None:
            said.append("stop")
            super().stop(*args)

    queue = Work(database=database)
    assert runs(queue)
    assert said == ["stop"]
    assert queue.path == str(database).upper()
    double: Any = print
    queue.subscribe = double  # type: ignore[method-assign]  # as tests of users do
    queue.stop()
    assert vars(queue)["subscribe"] is print


# ---------------------------------------------------------------- options of the class


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("worker_count", "4", r"Work\.worker_count: expected an integer from 1 to 1,000, got '4'"),
        ("worker_count", 0, "got 0"),
        ("name", "two words", r"Work\.name: expected at most 100 letters"),
        ("name", lambda self: "work", r"Work\.name: .*expected text such as"),
        ("name", "sprag", "reserved"),
        ("backoff", lambda self, attempt: attempt, r"Work\.backoff: expected a Backoff, seconds"),
        ("backoff", "soon", "got 'soon'"),
        ("database", 5, r"Work\.database: expected the path of a file, got 5"),
        ("durability", "fast", 'expected "full" or "normal"'),
        ("grace_seconds", None, r"Work\.grace_seconds: expected seconds"),
        ("max_queued", 0, r"Work\.max_queued"),
    ],
)
def test_a_wrong_value_is_told_when_the_class_is_defined(
    option: str, value: Any, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        defined(**{option: value})
    mixin = type("Mixin", (), {option: value})
    with pytest.raises(ConfigurationError, match=told):
        type("Work", (mixin, QueueService), {})


def test_a_base_class_may_leave_the_name_to_others(database: Path) -> None:
    base = defined(name="", max_attempts=3)
    queue = defined(base)(database=database)
    assert runs(queue)
    assert queue.max_attempts == 3


def test_an_option_may_be_a_property(database: Path) -> None:
    class Work(QueueService):
        name = "work"

        @property
        def worker_count(self) -> int:  # type: ignore[override]
            return 2

        def handle_item(self, item: Any) -> Any:
            return item

    queue = Work(database=database)
    assert life_of(queue).settings.worker_count == 2
    assert runs(queue)


MISSPELT = [
    ("worker_cont", 3, "worker_count"),
    ("workerCount", 3, "worker_count"),
    ("WORKER_COUNT", 3, "worker_count"),
    ("worker_counts", 3, "worker_count"),
    ("workers", 3, "worker_count"),
    ("concurrency", 3, "worker_count"),
    ("max_workers", 3, "worker_count"),
    ("max_attempt", 2, "max_attempts"),
    ("retries", 2, "max_attempts"),
    ("max_retries", 2, "max_attempts"),
    ("backof", 5, "backoff"),
    ("back_off", Backoff(), "backoff"),
    ("retry_delay", timedelta(seconds=5), "backoff"),
    ("databse", "jobs.db", "database"),
    ("db", Path("jobs.db"), "database"),
    ("queue_name", "work", "name"),
    ("nam", "work", "name"),
    ("durabilty", "normal", "durability"),
    ("grace_second", 5, "grace_seconds"),
    ("max_queue", None, "max_queued"),
    ("max_payload", 100, "max_payload_bytes"),
]


@pytest.mark.parametrize(("name", "value", "meant"), MISSPELT)
def test_an_option_that_is_misspelt_is_told_with_the_right_one(
    name: str, value: Any, meant: str
) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"Work\.{name}: .* no such option.*did you mean '{meant}'\?"
    ):
        defined(**{name: value})
    mixin = type("Mixin", (), {name: value})
    with pytest.raises(
        ConfigurationError, match=rf"Work\.{name} \(of Mixin\): .*did you mean '{meant}'\?"
    ):
        type("Work", (mixin, QueueService), {})
    with pytest.raises(ConfigurationError, match=rf"Work\.{name} \(of Mixin\): "):
        type("Work", (QueueService, type("Further", (mixin,), {})), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 30), ("url", "https://example.com"), ("title", "Images"), ("size", (80, 60)),
        ("names", ["a", "b"]), ("databases", {"a": 1}), ("_workers", 3), ("suffix", ".jpg"),
        ("workers", ThreadPoolExecutor), ("session", None), ("model", "x"), ("quality", 80),
        ("patient", True), ("version", 3), ("batch_size", 10), ("max_width", 800), ("game", "go"),
    ],
)  # fmt: skip
def test_a_constant_of_one_s_own_is_let_be(name: str, value: Any) -> None:
    assert getattr(defined(**{name: value}), name) == value
    mixin = type("Mixin", (), {name: value})
    assert getattr(type("Work", (mixin, QueueService), {}), name) == value


def test_a_word_of_a_mixin_may_be_read_by_either(database: Path) -> None:
    class Retrying:
        retries = 2
        workers = 3

        def tries(self) -> int:
            return self.retries + 1

    class Work(Retrying, QueueService):
        name = "work"

        def handle_item(self, item: Any) -> int:
            return self.tries() * self.workers

    class Later(Work):
        max_attempts = 2

    with Later(database=database) as queue:
        assert queue.wait(queue.enqueue(1).id, DEADLINE).result == 9


def test_a_word_that_the_class_itself_reads_is_its_own(database: Path) -> None:
    class Work(QueueService):
        name = "work"
        retries = 2
        concurrency = 5
        workers = 3

        def handle_item(self, item: Any) -> Any:
            return [self.retries for _ in range(1)] * self.size

        @property
        def size(self) -> int:
            return int(getattr(self, "workers"))  # noqa: B009  # as some do

        @classmethod
        def limit(cls) -> int:
            return cls.concurrency

    with Work(database=database) as queue:
        assert queue.wait(queue.enqueue(1).id, DEADLINE).result == [2, 2, 2]


# ---------------------------------------------------------------- options of the object


def test_an_option_that_is_assigned_before_the_first_use_counts(database: Path) -> None:
    queue = defined()(database=database.with_name("other.db"))
    queue.worker_count = 2
    queue.database = database
    queue.max_attempts = 7
    with queue:
        assert queue.enqueue(1).max_attempts == 7
        assert life_of(queue).settings.worker_count == 2
    assert database.is_file()
    assert not database.with_name("other.db").exists()


def test_an_option_that_is_assigned_wrong_or_too_late_is_refused(database: Path) -> None:
    queue = defined()(database=database)
    with pytest.raises(ConfigurationError, match=r"Work\.worker_count: expected an integer"):
        queue.worker_count = "2"  # type: ignore[assignment]
    assert queue.worker_count == 4
    queue.counts()
    with pytest.raises(ConfigurationError, match=r"Work\.max_attempts: the queue is open"):
        queue.max_attempts = 2
    queue.stop()
    queue.max_attempts = 2
    assert queue.enqueue(1).max_attempts == 2
    queue.stop()


def test_a_type_checker_sees_an_argument_that_is_misspelt(database: Path) -> None:
    # mypy, which checks the tests, would find the ignores needless.
    with pytest.raises(ConfigurationError):
        QueueService(name="work", worker_cont=4)  # type: ignore[arg-type]
    queue = QueueService(name="work", database=database)
    with pytest.raises(ConfigurationError, match=r"enqueue\(\) has no option 'prioritty': did you"):
        queue.enqueue(1, prioritty=4)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match=r"enqueue_many\(\) has no option 'label_'"):
        queue.enqueue_many([1], label_="a")  # type: ignore[call-arg]
    assert not database.exists()


def test_every_option_is_an_attribute_with_the_default_of_the_table() -> None:
    arguments = list(inspect.signature(QueueService).parameters)[:-1]
    assert arguments == list(OPTIONS) == [name for name in vars(DeclaredQueue) if name in OPTIONS]
