"""Whatever the clocks and the processes do, each slot is enqueued at most once, in order, and the
newest of those that were missed is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sprag.queue import Cron, Every
from sprag.queue.file.database import Database
from sprag.queue.options import Settings
from sprag.queue.schedules import Schedule
from sprag.queue.store.schedules import Scheduled
from sprag.queue.store.store import Store
from sprag.queue.tasks import Repertoire
from sprag.queue.threads.inside import here
from sprag.queue.work.timetable import LATE_SECONDS, Timetable
from tests.support import examples

START = 1_800_000_000.0  # a slot of every schedule here but the cron ones


class Process:
    """What a process has of schedules, without its threads: `look` is the keeper's."""

    def __init__(
        self, store: Store, schedules: Sequence[Schedule], most: int | None = None
    ) -> None:
        self.store = store
        self.owner = store.owners.add(f"token {len(store.owners.all())} {id(self)}", 1, "host")
        self.timetable = Timetable(store)
        options = Settings(name="q", schedules=tuple(schedules), max_queued=most)
        self.timetable.take(self, "q", Repertoire({}, handles=True).standing(options), most)

    def look(self, *, changed: bool = True) -> None:
        with here.inside:
            if changed:
                self.timetable.changed()
            self.timetable.look(self.owner)

    def stop(self) -> None:
        """Run the queue no longer, but go on otherwise."""
        self.timetable.drop(self)

    def end(self) -> None:
        """Be gone, and known to be."""
        self.store.owners.leave(self.owner)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Path, clock: Clock) -> Iterator[Store]:
    opened = Database(str(database))
    yield Store(opened, clock)
    opened.close()


def jobs(store: Store) -> list[float]:
    """When jobs were enqueued, the oldest first."""
    return [job.created_at for job in store.jobs.page(["q"], ["queued"], 1000)][::-1]


def row(store: Store, name: str = "x") -> Scheduled:
    return next(one for one in store.schedules.all("q") if one.name == name)


# ---------------------------------------------------------------- time passes


def test_a_new_schedule_starts_from_now(store: Store, clock: Clock) -> None:
    clock.now += 10
    process = Process(store, [Every(minutes=5, name="x")])
    process.look()
    assert jobs(store) == []
    clock.now = START + 299
    process.look()
    assert jobs(store) == []
    clock.now = START + 300.02
    process.look()
    process.look()
    assert jobs(store) == [START + 300.02]
    assert row(store).last_slot == START + 300


def test_nothing_is_read_before_the_next_slot(store: Store, clock: Clock) -> None:
    process = Process(store, [Every(minutes=5, name="x")])
    process.look()
    store.database.close()  # whoever reads now fails
    clock.now += 299
    process.look(changed=False)


def test_after_downtime_the_newest_missed_slot_runs_once(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sprag.queue")
    first = Process(store, [Every(minutes=5, name="x")])
    first.look()
    first.end()
    clock.now += 86400 + 130
    second = Process(store, [Every(minutes=5, name="x")])
    second.look()
    assert jobs(store) == [clock.now]
    assert row(store).last_slot == START + 86400
    assert "no process was there when it was due, 130 s ago; its job is enqueued now" in caplog.text
    clock.now = START + 86400 + 300
    second.look()
    assert len(jobs(store)) == 2


def test_a_missed_slot_can_be_skipped(store: Store, clock: Clock) -> None:
    process = Process(store, [Every(minutes=5, name="x", missed="skip")])
    process.look()
    clock.now += 3600 + LATE_SECONDS + 1
    process.look()
    assert jobs(store) == []
    assert row(store).last_slot == START + 3600
    clock.now = START + 3900 + LATE_SECONDS  # late, as after a restart, but not missed
    process.look()
    assert jobs(store) == [clock.now]


def test_a_clock_that_is_set_back_repeats_nothing(store: Store, clock: Clock) -> None:
    process = Process(store, [Every(minutes=5, name="x")])
    process.look()
    clock.now = START + 601
    process.look()
    for back in (599, 300, 0, -86400):
        clock.now = START + back
        process.look()
        Process(store, [Every(minutes=5, name="x")]).look()
    assert len(jobs(store)) == 1
    clock.now = START + 900
    process.look()
    assert len(jobs(store)) == 2


def test_a_clock_that_was_wrong_by_years_does_not_stop_a_schedule(
    store: Store, clock: Clock
) -> None:
    wrong = Process(store, [Every(minutes=5, name="x")])
    wrong.look()
    clock.now += 40 * 365 * 86400
    wrong.look()
    assert len(jobs(store)) == 1
    wrong.end()
    clock.now = START + 10
    right = Process(store, [Every(minutes=5, name="x")])
    right.look()
    clock.now = START + 300
    right.look()
    assert len(jobs(store)) == 2


# ---------------------------------------------------------------- definitions


def test_a_changed_schedule_starts_from_now(store: Store, clock: Clock) -> None:
    old = Process(store, [Every(minutes=5, name="x")])
    old.look()
    old.end()
    clock.now += 7200.5
    new = Process(store, [Every(hours=1, name="x")])
    new.look()
    assert jobs(store) == []
    assert row(store).last_slot == clock.now
    clock.now = START + 3 * 3600
    new.look()
    assert len(jobs(store)) == 1


def test_a_changed_item_changes_no_slot(store: Store, clock: Clock) -> None:
    old = Process(store, [Every(minutes=5, name="x", item="old")])
    old.look()
    clock.now += 301
    new = Process(store, [Every(minutes=5, name="x", item="new", priority=3)])
    new.look()
    old.look()
    [job] = store.jobs.page(["q"], ["queued"], 10)
    assert (job.item, job.priority) == ("new", 3)


def test_processes_with_other_definitions_beside_each_other_repeat_nothing(
    store: Store, clock: Clock
) -> None:
    """As while a deploy is rolled out: the process that started last decides."""
    old = Process(store, [Every(minutes=5, name="x")])
    old.look()
    new = Process(store, [Every(minutes=10, name="x")])
    new.look()
    for minute in range(1, 31):
        clock.now = START + 60 * minute
        for process in (old, new, old):
            process.look()
    assert jobs(store) == [START + 600, START + 1200, START + 1800]
    # It is taken back: the old process goes on.
    new.end()
    clock.now += 1
    old.look()
    clock.now = START + 2100
    old.look()
    assert jobs(store)[-1] == START + 2100


def test_a_schedule_that_was_removed_stops_with_the_last_process_that_has_it(
    store: Store, clock: Clock
) -> None:
    old = Process(store, [Every(minutes=5, name="x"), Every(minutes=5, name="kept")])
    old.look()
    new = Process(store, [Every(minutes=5, name="kept")])
    new.look()
    clock.now += 300
    new.look()
    old.look()
    assert len(jobs(store)) == 2
    old.end()
    new.look()
    assert [one.name for one in store.schedules.all("q")] == ["kept"]


def test_a_process_that_stops_the_queue_leaves_its_schedules_to_others(
    store: Store, clock: Clock
) -> None:
    old = Process(store, [Every(minutes=5, name="x"), Every(minutes=5, name="gone")])
    old.look()
    new = Process(store, [Every(minutes=10, name="x")])
    new.look()
    new.stop()
    assert not row(store).alive
    clock.now += 1
    old.look()
    clock.now = START + 300
    old.look()
    new.look()
    assert len(jobs(store)) == 2
    assert row(store).owner == old.owner


def test_a_process_without_schedules_leaves_those_of_others_alone(
    store: Store, clock: Clock
) -> None:
    first = Process(store, [Every(minutes=5, name="x")])
    first.look()
    store.schedules.pause("q", "x", "for now")
    first.end()
    Process(store, []).look()
    back = Process(store, [Every(minutes=5, name="x")])
    back.look()
    pause = row(store).pause
    assert pause is not None
    assert pause.reason == "for now"


# ---------------------------------------------------------------- pause, resume, run now


def test_a_paused_schedule_enqueues_nothing_and_goes_on_from_its_end(
    store: Store, clock: Clock
) -> None:
    process = Process(store, [Every(minutes=5, name="x")])
    process.look()
    assert store.schedules.pause("q", "x", "holidays")
    clock.now += 3000.5
    process.look()
    assert jobs(store) == []
    assert store.schedules.resume("q", "x")
    assert not store.schedules.resume("q", "x")
    process.look()
    assert jobs(store) == []
    clock.now = START + 3300
    process.look()
    assert jobs(store) == [START + 3300]
    assert not store.schedules.pause("q", "y", None)


def test_a_pause_that_comes_between_a_look_and_its_write_is_kept(
    store: Store, clock: Clock
) -> None:
    process = Process(store, [Every(minutes=5, name="x")])
    process.look()
    store.schedules.pause("q", "x", None)
    clock.now += 300
    process.look(changed=False)  # it does not know of the pause yet
    assert jobs(store) == []


def test_a_schedule_runs_now_besides_its_slots(store: Store, clock: Clock) -> None:
    process = Process(store, [Every(minutes=5, name="x", item="it", label="mine")])
    process.look()
    clock.now += 10
    assert store.schedules.run_now("q", "x", "a" * 32)
    assert not store.schedules.run_now("q", "y", "b" * 32)
    [job] = store.jobs.page(["q"], ["queued"], 10)
    assert (job.id, job.item, job.label) == ("a" * 32, "it", "mine")
    clock.now = START + 300
    process.look()
    assert len(jobs(store)) == 2


def test_a_schedule_is_removed_only_if_its_process_is_gone(store: Store) -> None:
    process = Process(store, [Every(minutes=5, name="x")])
    process.look()
    assert not store.schedules.remove("q", "x")
    process.end()
    assert store.schedules.remove("q", "x")
    assert store.schedules.all() == []


# ---------------------------------------------------------------- a full queue


def test_a_slot_waits_for_room_and_makes_way_for_the_next(store: Store, clock: Clock) -> None:
    process = Process(store, [Every(minutes=5, name="x")], most=1)
    process.look()
    store.schedules.run_now("q", "x", "a" * 32)
    clock.now += 300
    process.look()
    assert row(store).last_slot == START
    clock.now += 305
    process.look()
    store.cancel("a" * 32)
    clock.now += 1
    process.look()
    assert row(store).last_slot == START + 600
    assert jobs(store) == [START + 606]


# ---------------------------------------------------------------- any clock


KINDS: dict[str, Callable[[], Schedule]] = {
    "five": lambda: Every(minutes=5, name="five"),
    "hour": lambda: Every(hours=1, name="hour", missed="skip"),
    "cron": lambda: Cron("*/20 * * * *", timezone="Europe/Berlin", name="cron"),
}


class Timetables(RuleBasedStateMachine):
    """Some processes on one file, and a clock that anybody sets."""

    folder: Path

    @initialize(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        self.clock = Clock()
        self.path = self.folder / f"{id(self)}.db"
        self.database = Database(str(self.path), "normal")
        self.store = Store(self.database, self.clock)
        self.processes = [self.made() for _ in range(count)]
        self.taken: dict[str, list[float]] = {name: [] for name in KINDS}
        self.since: dict[str, float] = {}
        self.jobs = 0

    def made(self) -> Process:
        return Process(self.store, [make() for make in KINDS.values()])

    @rule(seconds=st.one_of(st.floats(0, 400), st.floats(0, 100_000)))
    def passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(seconds=st.floats(0, 50_000))
    def is_set_back(self, seconds: float) -> None:
        self.clock.now -= seconds

    @rule(which=st.integers(0, 2), changed=st.booleans())
    def looks(self, which: int, changed: bool) -> None:
        before = {one.name: one.last_slot for one in self.store.schedules.all("q")}
        self.processes[which % len(self.processes)].look(changed=changed)
        after = {one.name: one.last_slot for one in self.store.schedules.all("q")}
        count = len(jobs(self.store))
        made = 0
        for name, slot in after.items():
            was = before.get(name)
            if was is None or slot == was:
                continue
            if was > self.clock.now + 86400:  # a process started, and took that for a mistake
                assert slot == self.clock.now
                self.taken[name].clear()
                continue
            newest = KINDS[name]().slots.newest(was, self.clock.now)
            assert slot == newest  # the newest one, and none from the future
            assert not self.taken[name] or slot > self.taken[name][-1]
            skipped = name == "hour" and self.clock.now - slot > LATE_SECONDS
            made += not skipped
            self.taken[name].append(slot)
        assert count - self.jobs == made
        self.jobs = count

    @rule()
    def all_look_and_leave_nothing_due(self) -> None:
        for which in range(len(self.processes)):
            self.looks(which, True)
        for one in self.store.schedules.all("q"):
            assert KINDS[one.name]().slots.newest(one.last_slot, self.clock.now) is None

    @rule(which=st.integers(0, 2))
    def one_is_replaced(self, which: int) -> None:
        which %= len(self.processes)
        self.processes[which].end()
        self.processes[which] = self.made()

    @invariant()
    def no_slot_goes_back(self) -> None:
        for name, slots in getattr(self, "taken", {}).items():
            assert slots == sorted(set(slots)), name

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.path.unlink()


@pytest.fixture
def _folder(tmp_path: Path) -> None:
    Timetables.folder = tmp_path


Timetables.TestCase.settings = settings(
    max_examples=examples(120), stateful_step_count=30, deadline=None
)
TestTimetables = pytest.mark.usefixtures("_folder")(Timetables.TestCase)
