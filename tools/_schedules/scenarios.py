"""The races: who is there, and what they do at the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from sprag.queue.store.tickets import Outcome

from .handlers import asks_once, fails, looks, quick, waits
from .parts import JOURNAL_STEPS
from .services import empty_service, start_against_stop, stop_and_start
from .stage import QUEUE, Scene
from .standing import pause_against_claims, two_keepers_at_one_slot

ONE: Final = f"{10:032x}"
TWO: Final = f"{11:032x}"

# A batch, from what is taken into it to its COMMIT, as one step: what others do in between, they
# can do before it, or before its runs are dealt.
BATCHES: Final = JOURNAL_STEPS - {"lead", "BEGIN", "INSERT"}
STEPS: Final = {"batches": BATCHES, "journal": JOURNAL_STEPS, "all": None}


@dataclass(frozen=True)
class Scenario:
    """A race. `setting` makes the actors."""

    name: str
    setting: Callable[[Scene], None]
    pauses: frozenset[str] | None = BATCHES
    """Where its steps end; None: at each lock, flag, table and wake-up."""

    def in_steps(self, pauses: frozenset[str] | None) -> Scenario:
        """The same in other steps."""
        return replace(self, pauses=pauses)


def _cancel_of_one(does: Callable[[Any], object], workers: int = 2) -> Callable[[Scene], None]:
    def setting(scene: Scene) -> None:
        a = scene.process("a")
        scene.enqueue(a, ONE, TWO)
        scene.workers("a", workers, does)
        scene.actor("caller", a.cancel, ONE, QUEUE, of="a")

    return setting


def _cancel_of_both(does: Callable[[Any], object]) -> Callable[[Scene], None]:
    def setting(scene: Scene) -> None:
        a = scene.process("a")
        scene.enqueue(a, ONE, TWO)
        scene.workers("a", 2, does)
        scene.actor("caller", lambda: (a.cancel(ONE, QUEUE), a.cancel(TWO, QUEUE)), of="a")

    return setting


def _cancel_of_both_at_once(does: Callable[[Any], object]) -> Callable[[Scene], None]:
    def setting(scene: Scene) -> None:
        a = scene.process("a")
        scene.enqueue(a, ONE, TWO)
        scene.workers("a", 2, does)
        scene.actor("caller", a.cancel, ONE, QUEUE, of="a")
        scene.actor("other", a.cancel, TWO, QUEUE, of="a")

    return setting


def _cancel_from_elsewhere(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.enqueue(a, ONE, TWO)
    scene.workers("a", 2, waits)
    scene.actor("caller", b.cancel, ONE, QUEUE, of="b")
    scene.actor("keeper", a.keeper.look, of="a")


def _cancel_against_retry(does: Callable[[Any], object]) -> Callable[[Scene], None]:
    def setting(scene: Scene) -> None:
        a = scene.process("a")
        scene.enqueue(a, ONE, TWO, max_attempts=2)
        scene.workers("a", 1, does)
        scene.actor("caller", a.cancel, ONE, QUEUE, of="a")

    return setting


def _cancel_against_failure(scene: Scene) -> None:
    a = scene.process("a")
    scene.enqueue(a, ONE, max_attempts=2)
    scene.workers("a", 1, fails, scene.failures())
    scene.actor("caller", a.cancel, ONE, QUEUE, of="a")


def _enqueue_against_claims(scene: Scene) -> None:
    a = scene.process("a")
    scene.workers("a", 2, quick)
    scene.actor("caller", lambda: scene.enqueue(a, ONE), of="a")
    scene.actor("other", lambda: scene.enqueue(a, TWO), of="a")


def _one_knows_the_task(scene: Scene) -> None:
    a = scene.process("a")
    scene.process("b")
    scene.enqueue(a, ONE)
    scene.workers("a", 1, quick)
    scene.workers("b", 1, quick, tasks=("new",))
    scene.actor("caller", lambda: scene.enqueue(a, TWO, task="new"), of="a")


def _unique_at_once(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.workers("a", 1, quick)
    scene.actor("caller", scene.enqueue_unique, a, ONE, of="a")
    scene.actor("other", scene.enqueue_unique, b, TWO, of="b")


def _recovers(engine: Any) -> Callable[[], object]:
    recovery = engine.keeper._recovery
    return lambda: (recovery.refresh(), recovery.sweep())


def _taken_for_dead(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.enqueue(a, ONE, TWO)
    scene.workers("a", 1, quick)
    scene.workers("b", 1, quick)
    scene.actor("kernel", scene.let_go, "a")
    scene.actor("recovery", _recovers(b), of="b")


def _killed(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.run.mortal.add("a")
    scene.enqueue(b, ONE, TWO)
    scene.workers("a", 1, looks)
    scene.workers("b", 1, quick)
    scene.actor("kernel", scene.kill, "a")
    scene.actor("recovery", _recovers(b), of="b")
    del a


def _two_recoverers(scene: Scene) -> None:
    a, b, c = scene.process("a"), scene.process("b"), scene.process("c")
    scene.enqueue(a, ONE, TWO)
    tickets = [scene.started(a), scene.started(a)]
    scene.let_go("a")
    for engine in (b, c):
        engine.keeper._recovery.refresh()
    scene.workers("b", 1, quick)
    scene.actor("b recovers", b.keeper._recovery.sweep, of="b")
    scene.actor("c recovers", c.keeper._recovery.sweep, of="c")
    run = tickets[0].claimed
    assert run is not None  # noqa: S101
    outcome = Outcome(run, "complete", result="1")
    scene.actor("stale worker", a.store.finish, a.owner, [outcome], of="a")


def _cancel_against_recovery(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.enqueue(a, ONE, TWO)
    scene.started(a)
    scene.started(a)
    scene.let_go("a")
    b.keeper._recovery.refresh()
    scene.workers("b", 1, looks)
    scene.actor("b recovers", b.keeper._recovery.sweep, of="b")
    scene.actor("caller", b.cancel, ONE, QUEUE, of="b")


def _two_processes(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.enqueue(a, ONE, TWO)
    scene.workers("a", 1, quick)
    scene.workers("b", 1, quick)
    scene.actor("caller", b.cancel, TWO, QUEUE, of="b")


def _stop_of_a_pool(does: Callable[[Any], object]) -> Callable[[Scene], None]:
    def setting(scene: Scene) -> None:
        a = scene.process("a")
        scene.enqueue(a, ONE, TWO)
        pool = scene.workers("a", 2, does)
        scene.actor("stop", pool.stop, 0.0, of="a")

    return setting


def _stop_against_enqueue(scene: Scene) -> None:
    a = scene.process("a")
    scene.enqueue(a, ONE)
    pool = scene.workers("a", 1, quick)
    scene.actor("stop", pool.stop, 0.0, of="a")
    scene.actor("caller", lambda: scene.enqueue(a, TWO), of="a")


def _stop_against_cancel(scene: Scene) -> None:
    a = scene.process("a")
    scene.enqueue(a, ONE)
    pool = scene.workers("a", 1, waits)
    scene.actor("stop", pool.stop, 0.0, of="a")
    scene.actor("caller", a.cancel, ONE, QUEUE, of="a")


def _leave(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.enqueue(a, ONE, TWO)
    scene.started(a)
    scene.workers("b", 1, quick)
    scene.actor("leave", a._close, of="a")
    scene.actor("b looks", _recovers(b), of="b")


def _stop_and_leave(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.enqueue(a, ONE, TWO)
    pool = scene.workers("a", 1, quick)
    scene.workers("b", 1, quick)
    scene.actor("stop", lambda: (pool.stop(0.0), a._close()), of="a")
    scene.actor("b looks", b.keeper.look, of="b")


def _stop_of_one_pool_of_two(scene: Scene) -> None:
    a = scene.process("a")
    scene.enqueue(a, ONE)
    pool = scene.workers("a", 1, quick)
    scene.workers("a", 1, quick)
    scene.actor("stop", pool.stop, 0.0, of="a")


def _stale_word(scene: Scene) -> None:
    a, b = scene.process("a"), scene.process("b")
    scene.enqueue(a, ONE)
    run = scene.started(a).claimed
    assert run is not None  # noqa: S101
    outcome = Outcome(run, "complete", result="1")
    scene.actor("kernel", scene.let_go, "a")
    scene.actor("recovery", _recovers(b), of="b")
    scene.actor("worker", a.store.finish, a.owner, [outcome], of="a")


def _one_cancel(does: Callable[[Any], object]) -> Callable[[Scene], None]:
    def setting(scene: Scene) -> None:
        a = scene.process("a")
        scene.enqueue(a, ONE)
        scene.workers("a", 1, does)
        scene.actor("caller", a.cancel, ONE, QUEUE, of="a")

    return setting


SMALL: Final = (
    Scenario("one job, cancel", _one_cancel(quick)),
    Scenario("one job that looks, cancel", _one_cancel(looks)),
    Scenario("one job, taken for dead", _stale_word),
    Scenario("no job, start against stop", empty_service),
)
"""So small that a search which leaves nothing out comes to its end as well."""

SCENARIOS: Final = (
    Scenario("cancel, handlers that do not look", _cancel_of_one(quick)),
    Scenario("cancel, handlers that look", _cancel_of_one(looks)),
    Scenario("cancel, handlers that wait for it", _cancel_of_one(waits, 1)),
    Scenario("cancel of both jobs", _cancel_of_both(quick)),
    Scenario("cancel by another process", _cancel_from_elsewhere),
    Scenario("cancel against retry", _cancel_against_retry(fails)),
    Scenario("cancel against a retry that does not count", _cancel_against_retry(asks_once)),
    Scenario("cancel against a failure that is told", _cancel_against_failure),
    Scenario("enqueue against claims", _enqueue_against_claims),
    Scenario("two enqueue what is unique", _unique_at_once),
    Scenario("two processes claim", _two_processes),
    Scenario("one process knows the task", _one_knows_the_task),
    Scenario("two keepers at one slot", two_keepers_at_one_slot),
    Scenario("pause against claims", pause_against_claims),
    Scenario("taken for dead", _taken_for_dead),
    Scenario("killed", _killed),
    Scenario("two recover at once", _two_recoverers),
    Scenario("cancel against recovery", _cancel_against_recovery),
    Scenario("stop, handlers that do not look", _stop_of_a_pool(quick)),
    Scenario("stop, handlers that look", _stop_of_a_pool(looks)),
    Scenario("stop against enqueue", _stop_against_enqueue),
    Scenario("stop against cancel", _stop_against_cancel),
    Scenario("stop beside other workers", _stop_of_one_pool_of_two),
    Scenario("leave beside another process", _leave),
    Scenario("stop and leave beside another process", _stop_and_leave),
    Scenario("stop against start", stop_and_start),
    Scenario("start against stop", start_against_stop),
)
