"""The queue's races in every order of their steps; `tools/schedules.py` has more of them, in
smaller steps as well.

Bugs are planted, and the search must find each: then what it does not find is not there.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from _schedules import parts
from _schedules.explore import again, explore
from _schedules.file import Stepped
from _schedules.scenarios import SCENARIOS, SMALL, STEPS, Scenario
from _schedules.search import Nondeterministic, Search
from _schedules.stage import Scene, Stage
from _schedules.verdict import Verdict
from sprag.queue.liveness import recovery
from sprag.queue.sql import statements
from sprag.queue.store import moves
from sprag.queue.store.batch import Batches
from sprag.queue.store.commit import GroupCommit
from sprag.queue.store.dealing import Dealer, Seekers
from sprag.queue.store.ownership import Owners
from sprag.queue.store.rows import rows_of
from sprag.queue.store.store import Store
from sprag.queue.store.tickets import Exchange, Outcome, Run
from sprag.queue.work import crew, engine, keeper, pool
from tests.support import PATIENCE, for_tool, some, unmeasured

SCHEDULES = Path(__file__).parents[2] / "tools" / "schedules.py"

# Of each race, how many interleavings its orders stand for: less would be a search that has lost
# some of them. Those that are not here take longer, and the tool has them.
LEAST = {
    "cancel, handlers that do not look": 50_000_000,
    "cancel, handlers that wait for it": 60,
    "cancel against retry": 2_000,
    "cancel against a retry that does not count": 2_000,
    "cancel against a failure that is told": 700,
    "two enqueue what is unique": 1_000,
    "stop against enqueue": 45_000,
    "stop against cancel": 340_000,
    "stop against start": 110_000,
    "start against stop": 8_000,
    "two processes claim": 30_000_000,
    "one process knows the task": 400_000,
    "taken for dead": 9_000_000_000_000,
    "cancel against recovery": 400_000,
    "leave beside another process": 3_000_000,
}
RACES = {scenario.name: scenario for scenario in SCENARIOS}


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCHEDULES), "--here", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False,
        env=for_tool(unmeasured()),
    )  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    logging.disable(logging.CRITICAL)  # refused outcomes and deaths are its daily bread
    try:
        with Stage(tmp_path) as made:
            yield made
    finally:
        logging.disable(logging.NOTSET)


def test_every_order_of_a_race_ends_well() -> None:
    names = some(LEAST, 3)
    # In a process of its own, whose coverage is not measured: that would take five times as long.
    done = tool("--match", f"^({'|'.join(names)})$")
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "NOT ALL" not in done.stdout, done.stdout
    for name in names:
        row = re.search(rf"^{name} +\d+ +\d+ +\d+ +(\d+) ", done.stdout, re.MULTILINE)
        assert row is not None, done.stdout
        assert int(row[1]) >= LEAST[name], done.stdout
    assert f"{len(names)} races, " in done.stdout


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_every_race_can_be_played(stage: Stage, scenario: Scenario) -> None:
    assert explore(stage, scenario, seconds=0).wrong == {}


# ---------------------------------------------------------------- the search itself


@pytest.mark.parametrize(
    "scenario", [*SMALL, RACES["cancel, handlers that wait for it"]], ids=lambda one: one.name
)
def test_what_is_left_out_is_what_makes_no_difference(stage: Stage, scenario: Scenario) -> None:
    every, differing = explore(stage, scenario, reduced=False), explore(stage, scenario)
    # Counted one by one, and counted from the orders that differ.
    assert every.count.interleavings == every.count.runs == differing.count.interleavings
    assert every.outcomes == differing.outcomes
    assert differing.count.runs < every.count.runs / 10


def test_smaller_steps_have_more_orders_and_no_other_end(stage: Stage) -> None:
    results = [
        explore(stage, SMALL[1].in_steps(STEPS[steps])) for steps in ("batches", "journal", "all")
    ]
    assert all(result.count.exhausted and not result.wrong for result in results)
    counts = [result.count.interleavings for result in results]
    assert counts == sorted(set(counts))
    assert results[0].outcomes == results[1].outcomes == results[2].outcomes


def test_a_run_that_does_not_repeat_itself_ends_the_search(stage: Stage) -> None:
    moods = iter(range(100))

    def setting(scene: Scene) -> None:
        SMALL[0].setting(scene)
        if next(moods) == 2:
            scene.actor("whim", scene.run.pause, "look")

    with pytest.raises(Nondeterministic):
        explore(stage, Scenario("moody", setting))


def test_a_schedule_is_followed_to_the_letter(stage: Stage) -> None:
    scenario = SMALL[1]
    choose = Search().choose
    played = stage.play(scenario.setting, choose, Verdict(), scenario.pauses)
    repeated = again(stage, scenario, played.schedule)
    assert (repeated.schedule, repeated.journal) == (played.schedule, played.journal)
    with pytest.raises(ValueError, match="can go on"):
        again(stage, scenario, "caller:1,nobody:1")


# ---------------------------------------------------------------- planted bugs


Found = Callable[[str, str], str]


@pytest.fixture
def found(stage: Stage) -> Found:
    """`found(race, wanted)`: the schedule of a run that was wrong in this way."""

    def find(name: str, wanted: str) -> str:
        result = explore(stage, RACES[name], wanted=wanted, seconds=PATIENCE)
        for problem, schedule in result.wrong.items():
            if re.search(wanted, problem):
                repeated = again(stage, RACES[name], schedule)
                assert problem in repeated.problems
                return schedule
        raise AssertionError(f"not found: {result}")

    return find


def in_place_of(monkeypatch: pytest.MonkeyPatch, statement: str, old: str, new: str) -> None:
    text = statements.STATEMENTS[statement]
    assert old in text
    monkeypatch.setitem(statements.STATEMENTS, statement, text.replace(old, new))


def test_an_outcome_that_anyone_may_store(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    fence = " AND job.starts = outcome.starts AND job.owner = :owner"
    in_place_of(monkeypatch, "finish", fence, "")
    found("taken for dead", "has the result of start 1 of 2")


def test_an_outcome_that_is_fenced_by_its_owner_alone(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place_of(monkeypatch, "finish", "job.starts = outcome.starts AND ", "")
    found("stop beside other workers", "has the result of start 1 of 2")


def test_a_cancellation_that_does_not_look_at_the_status(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place_of(monkeypatch, "cancel", "AND status IN ('queued', 'running')", "")
    found("cancel, handlers that do not look", "caller raised")


def test_a_cancellation_of_which_no_handler_hears(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew.Crew, "interrupt", lambda self, key, starts: True)
    found("cancel, handlers that wait for it", "waits for ever: wait to be told")


def test_a_cancellation_that_only_its_own_process_hears_of(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper.Keeper, "_pass_on_cancellations", lambda self, owner: None)
    found("cancel, handlers that wait for it", "waits for ever: wait to be told")


def test_a_dismissed_worker_that_begins_what_it_was_dealt(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `_work` asks this very flag: for it alone, nobody is ever dismissed.
    class Deaf(parts.Exchange):
        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            asks = sys._getframe(1).f_code.co_name == "_work"
            return False if name == "stopping" and asks else value

    monkeypatch.setattr(pool, "Exchange", Deaf)
    found("stop against enqueue", "began with a worker that had been dismissed before")


def test_runs_that_are_dealt_to_whoever_has_gone(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal = Dealer.deal

    def planted(self: Dealer, seekers: Seekers, runs: list[Run]) -> bool:
        for seeker in seekers.parked:
            object.__setattr__(seeker, "parked", True)
        return deal(self, seekers, runs)

    monkeypatch.setattr(Dealer, "deal", planted)
    found("stop against enqueue", "is running, and nobody runs it|waits for ever|raised")


def test_runs_that_nobody_has_and_nobody_looks_for(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "give_back", lambda self, owner, workers: [])
    found("stop against enqueue", "is running, and nobody runs it")


def test_a_leader_that_wakes_nobody_to_lead_next(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GroupCommit, "_pass_on", lambda self: None)
    found("cancel, handlers that do not look", "sleeps, and only a keeper would wake it")


def test_a_recovery_in_two_transactions(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(self: Owners, owner: int) -> list[Any]:
        def held(connection: apsw.Connection, _now: float) -> list[Any]:
            keys = rows_of(connection, "held_by", owner=owner)
            rows_of(connection, "remove_owner", owner=owner)
            return keys

        def run(connection: apsw.Connection, now: float) -> list[Any]:
            moved: list[Any] = []
            for (key,) in keys:
                (row,) = connection.execute("SELECT owner FROM job WHERE key = ?", (key,))
                bindings = {"owner": row[0], "now": now, "error": "{}", "key": key}
                moved += rows_of(connection, "recover", **bindings)
            return moved

        keys = self._write(held)
        return self._write(run)

    monkeypatch.setattr(Owners, "recover", planted)
    found("two recover at once", r"was taken from owner \d, which lives")


def test_an_owner_that_lets_go_of_its_lock_before_its_jobs(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = engine.Engine._close

    def planted(self: engine.Engine) -> None:
        assert self.ownership._lock is not None
        self.ownership._lock.abandon()
        close(self)

    monkeypatch.setattr(engine.Engine, "_close", planted)
    found("leave beside another process", r"which lives|raised")


def test_subscribers_that_are_woken_before_the_commit(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in = Batches._hand_in

    def planted(
        self: Batches, writer: Any, now: float, handing: list[Exchange], outcomes: list[Outcome]
    ) -> None:
        hand_in(self, writer, now, handing, outcomes)
        self._on_commit([outcome.run.id for outcome in outcomes])

    monkeypatch.setattr(Batches, "_hand_in", planted)
    found("cancel against retry", "woken before the COMMIT")


def test_transactions_that_are_told_and_not_committed(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stepped, "commit", Stepped.rollback)
    found("two processes claim", "began before its start was committed")
    found("two processes claim", "no end after 500 steps")


def test_jobs_that_are_acknowledged_and_not_stored(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "insert", lambda *args: None)
    found("stop against enqueue", "was acknowledged and is gone")


def test_a_dead_process_that_nobody_recovers_from(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "liveness", lambda folder, token: "alive")
    found("killed", "is running, and nobody runs it")


def test_an_answer_that_is_not_what_the_journal_says(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place_of(
        monkeypatch, "cancel", "RETURNING key, starts, status", "RETURNING key, starts, 'cancelled'"
    )
    found("cancel, handlers that do not look", "cancel answered")


def test_a_lock_that_is_taken_and_never_given_back(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(self: Dealer, workers: Any) -> None:
        self._parking.acquire()
        for worker in workers:
            worker.stopping = True

    monkeypatch.setattr(Dealer, "dismiss", planted)
    found("stop against enqueue", "waits for ever: take a lock")


# ---------------------------------------------------------------- the tool


def test_the_tool_repeats_an_order(stage: Stage) -> None:
    name = "cancel, handlers that wait for it"
    played = stage.play(RACES[name].setting, Search().choose, Verdict(), RACES[name].pauses)
    done = tool("--match", f"^{name}$", "--replay", played.schedule)
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"^ +\d+ ", done.stdout, re.MULTILINE)) == len(played.steps)
    assert "0 problems with this order" in done.stdout
