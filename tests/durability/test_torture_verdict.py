"""The crash test's verdict finds what is planted into an otherwise good run: one job lost, one
nobody asked for, one too many, one whose answer was lost."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import _oracle as oracle
from _oracle import File, JobRow, Move
from _torture.driver import Record, opened
from _torture.life import KILLED, TERMINATED, Announced, Life, Ran
from _torture.line import Line
from _torture.slot import Slot
from _torture.takeover import Figures, takeovers
from _torture.verdict import judge
from _torture.words import wishes
from sprag.queue import QueueService, new_job_id
from tests.support import Seen, finished, queue_class, raw

GHOST = "0" * 32


class Story:
    """A good run of three jobs in one process that left in order, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "jobs.db"
        self.life = Life(
            os.getpid(), folder / "log", code=TERMINATED, asked="term", ready=True,
            opened_at=time.time(),
        )  # fmt: skip
        signals = Seen()
        with self.queue() as queue:
            queue.subscribe(signals, after=0)
            for _ in range(3):
                self.enqueue(queue)
            finished(queue, *self.ids)
            signals.wait_for(lambda all_: sum(s["event"] == "complete" for s in all_) == 3)
        self.life.signals = [
            Announced(s["seq"], s["job_id"], s["event"], s["status"]) for s in signals.all
        ]

    @property
    def ids(self) -> list[str]:
        return list(self.life.enqueued.values())

    def queue(self) -> QueueService:
        def handle(queue: QueueService, item: Any) -> None:
            job = queue.current_job
            self.life.runs.append(Ran(job.id, job.run.starts, time.time()))

        return queue_class(handle)(database=self.database, grace_seconds=0.0)

    def enqueue(self, queue: QueueService) -> str:
        wish = new_job_id()
        self.life.asking[wish] = ("quick", "0")
        self.life.enqueued[wish] = queue.enqueue(["quick", 0, wish], job_id=wish).id
        return wish

    def lines(self) -> dict[str, Line]:
        slot = Slot("one", self.folder, [], {})
        slot.lives.append(self.life)
        with opened(self.database) as connection:
            file, wish_of = oracle.read(connection), wishes(connection)
        return {line.claim: line for line in judge(Record([slot]), file, wish_of).lines}

    def wrong(self) -> dict[str, int]:
        """How many problems each line has that has any."""
        return {claim: len(line.problems) for claim, line in self.lines().items() if line.problems}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_a_good_run_has_nothing_wrong(story: Story) -> None:
    lines = story.lines()
    assert story.wrong() == {}
    found = {claim: line.count for claim, line in lines.items()}
    assert (found["asked for"], found["acknowledged"], found["jobs came to an end"]) == (3, 3, 3)
    assert found["announced moves are still there"] == 9
    assert found["LOST"] == found["UNEXPECTED"] == found["DUPLICATED"] == found["RECOVERED"] == 0


def test_an_acknowledged_job_that_is_not_in_the_file_is_lost(story: Story) -> None:
    story.life.asking[GHOST] = ("quick", "0")
    story.life.enqueued[GHOST] = GHOST
    assert story.wrong() == {"LOST": 1}
    assert story.lines()["LOST"].count == 1


def test_an_acknowledged_job_that_never_ended_is_lost(story: Story) -> None:
    queue = story.queue()  # not started
    story.enqueue(queue)
    queue.stop()
    assert story.wrong() == {"LOST": 1, "jobs came to an end": 1}


def test_a_job_that_nobody_asked_for_is_unexpected(story: Story) -> None:
    wish = next(iter(story.life.asking))
    del story.life.asking[wish], story.life.enqueued[wish]
    assert story.wrong() == {"UNEXPECTED": 1}


def test_a_signal_for_a_job_that_is_nowhere_is_unexpected(story: Story) -> None:
    told = story.life.signals[-1]
    story.life.signals[-1] = Announced(told.seq, GHOST, told.event, told.status)
    assert story.wrong() == {"UNEXPECTED": 1, "announced moves are still there": 1}


def test_a_run_of_a_job_that_is_nowhere_is_unexpected(story: Story) -> None:
    story.life.runs.append(Ran(GHOST, 1, time.time()))
    assert story.wrong() == {"UNEXPECTED": 1, "runs belonged to the process that started them": 1}


def test_a_job_that_completed_twice_is_duplicated(story: Story) -> None:
    with raw(story.database) as connection:
        connection.execute("DROP TRIGGER legal_move")
        connection.execute(
            "INSERT INTO journal (job, previous, move, attempt, at) "
            "SELECT job, seq, move, attempt, at FROM journal "
            "WHERE move IN (SELECT id FROM move WHERE event = 'complete') LIMIT 1"
        )
        connection.execute(
            "UPDATE job SET newest = last_insert_rowid() "
            "WHERE key = (SELECT job FROM journal WHERE seq = last_insert_rowid())"
        )
    assert story.wrong() == {"DUPLICATED": 1}


def test_an_enqueue_that_was_stored_twice_is_duplicated(story: Story) -> None:
    with story.queue() as queue:
        [wish, *_] = story.life.asking
        finished(queue, queue.enqueue(["quick", 0, wish]))
    assert story.wrong() == {"DUPLICATED": 1}


def test_a_start_that_two_handlers_were_given_is_duplicated(story: Story) -> None:
    story.life.runs.append(story.life.runs[0])
    assert story.wrong() == {"DUPLICATED": 1}


def test_a_job_whose_answer_was_lost_is_recovered_and_no_error(story: Story) -> None:
    [wish, *_] = story.life.enqueued
    del story.life.enqueued[wish]
    assert story.wrong() == {}
    lines = story.lines()
    assert (lines["RECOVERED"].count, lines["acknowledged"].count, lines["absent"].count) == (
        1, 2, 0,
    )  # fmt: skip


def test_a_recovered_job_must_end_too(story: Story) -> None:
    queue = story.queue()  # not started
    del story.life.enqueued[story.enqueue(queue)]
    queue.stop()
    assert story.wrong() == {"RECOVERED": 1, "jobs came to an end": 1}


def test_an_enqueue_without_an_answer_and_without_a_job_is_absent_and_no_error(
    story: Story,
) -> None:
    story.life.asking[GHOST] = ("quick", "0")
    assert story.wrong() == {}
    assert story.lines()["absent"].count == 1


def test_a_gap_in_what_a_subscriber_was_told_is_found(story: Story) -> None:
    del story.life.signals[4]
    assert story.wrong() == {"subscribers resumed without gap or repetition": 1}


def test_a_process_that_ended_by_itself_is_found(story: Story) -> None:
    story.life.asked = None
    story.life.log.write_text("Traceback")
    assert story.wrong() == {"processes ended as they were asked to": 1}


def test_a_changed_table_of_moves_is_found_though_no_move_used_it(story: Story) -> None:
    with raw(story.database) as connection:
        assert oracle.audit(connection) == []
        connection.execute("DROP TRIGGER move_fixed")
        connection.execute("UPDATE move SET crashes = 2 WHERE event = 'lose'")
        (problem,) = oracle.audit(connection)
    assert "('running', 'lose', 'failed', 0, 0, 2, 0)" in problem


# ---------------------------------------------------------------- deaths, by the clock

Moves = list[tuple[str, float, int | None]]
STATUS = {
    "enqueue": "queued", "start": "running", "recover": "queued", "lose": "failed",
    "complete": "completed", "cancel": "cancelling", "confirm": "cancelled",
}  # fmt: skip


def file_of(moves: Moves) -> File:
    """A file with one job that made these moves: event, time and owner of each."""
    before = [None, *(STATUS[event] for event, _, _ in moves)]
    rows = [
        Move(n + 1, 1, n or None, event, before[n], STATUS[event], 1, owner, at, None)
        for n, (event, at, owner) in enumerate(moves)
    ]
    job = JobRow(
        1,
        "job",
        len(rows),
        "torture",
        rows[-1].target,
        rows[-1].event,
        1,
        1,
        0,
        3,
        0,
        None,
        None,
        None,
        moves=rows,
    )
    return File({"job": job}, rows, [], set(), 0, [])


def lived(
    pid: int,
    opened_at: float,
    ended_at: float = math.inf,
    *runs: Ran,
    pauses: tuple[tuple[float, float], ...] = (),
) -> Life:
    life = Life(pid, Path("log"), opened_at=opened_at, ended_at=ended_at)
    life.code = KILLED if ended_at < math.inf else TERMINATED
    life.asked = "kill" if ended_at < math.inf else "term"
    life.runs, life.pauses = list(runs), list(pauses)
    return life


TAKEN: Moves = [
    ("enqueue", 9.0, None), ("start", 10.0, 1), ("recover", 20.5, 1), ("start", 20.75, 2),
    ("complete", 21.0, 2),
]  # fmt: skip
DEAD = lived(1, 0.0, 20.0, Ran("job", 1, 10.0))


def wrong(moves: Moves, *lives: Life) -> dict[str, int]:
    slot = Slot("one", Path(), [], {})
    slot.lives += lives
    lines = judge(Record([slot]), file_of(moves), {"job": "job"}).lines
    ours = [line for line in lines if line.claim.startswith("jobs ")]
    return {line.claim: len(line.problems) for line in ours if line.problems}


UP, LATE, CONTINUED = lived(2, 0.0), lived(2, 20.25), lived(2, 0.0, pauses=((5.0, 20.25),))
PAUSED = lived(3, 0.0, pauses=((20.125, 20.25),))


@pytest.mark.parametrize(
    ("others", "kind", "expected"),
    [
        ([UP], "another process was up all the time", ([0.5], [1.0])),
        ([LATE], "since the next process began to open the file", ([0.25], [0.75])),
        ([CONTINUED], "since a paused process was continued", ([0.25], [0.75])),
        ([UP, PAUSED], "while another process was paused", ([0.5], [1.0])),
    ],
)
def test_the_time_of_a_takeover_runs_from_when_someone_was_up(
    others: list[Life], kind: Any, expected: tuple[list[float], list[float]]
) -> None:
    # The handler says when it began, later than the journal does.
    teller = lived(4, math.inf, math.inf, Ran("job", 2, 21.0))
    found = takeovers([DEAD, *others, teller], {1: DEAD}, file_of(TAKEN))
    assert found.kinds == {kind: Figures(*expected)}
    assert (found.deaths, found.jobs, found.not_run_again, found.unmeasured) == (1, 1, 0, 0)


def test_a_job_that_met_its_max_crashes_counts_as_given_back_alone() -> None:
    other = lived(2, 0.0)
    moves: Moves = [*TAKEN[:2], ("lose", 20.5, 1)]
    found = takeovers([DEAD, other], {1: DEAD, 2: other}, file_of(moves))
    assert found.kinds == {"another process was up all the time": Figures([0.5], [])}
    assert (found.jobs, found.not_run_again) == (1, 1)


def test_what_nobody_was_up_for_is_in_no_figure() -> None:
    found = takeovers([DEAD], {1: DEAD}, file_of(TAKEN))
    assert (found.kinds, found.unmeasured) == ({}, 2)


def test_a_job_that_is_taken_from_a_live_process_is_found() -> None:
    late = lived(1, 0.0, 30.0, Ran("job", 1, 10.0))
    assert wrong(TAKEN, DEAD) == {}
    assert wrong(TAKEN, late) == {"jobs taken from dead processes, none from a live one": 1}


def paused(until: float, moves: Moves) -> Callable[[], dict[str, int]]:
    life = lived(1, 0.0, 30.0, Ran("job", 1, 10.0), pauses=((15.0, until),))
    return lambda: wrong(moves, life)


def test_a_job_that_is_taken_from_a_paused_process_is_found() -> None:
    claim = "jobs of paused processes, left to them"
    assert claim in paused(25.0, TAKEN)()
    held: Moves = [*TAKEN[:2], ("complete", 27.0, 1)]
    assert paused(25.0, held)() == {}
