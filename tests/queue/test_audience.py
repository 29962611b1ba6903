"""Who may see a job: stored with it, listed by it, told with every signal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sprag.queue import ConfigurationError, QueueService, Signal
from sprag.queue.sql.statements import STATEMENTS
from sprag.queue.work.engine import Engine
from tests.conftest import MakeQueue
from tests.support import Seen, finished, sql


def test_a_job_has_the_audience_it_was_enqueued_for(make_queue: MakeQueue) -> None:
    queue = make_queue()
    mine = queue.enqueue(1, audience="user:1")
    many = queue.enqueue_many([2, 3], audience="user:2")
    assert mine.audience == queue.get(mine.id).audience == "user:1"
    assert {queue.get(job.id).audience for job in many} == {"user:2"}
    assert queue.enqueue(4).audience is None


def test_jobs_are_listed_by_audience_newest_first_and_in_pages(make_queue: MakeQueue) -> None:
    queue, other = make_queue(), make_queue(name="other")
    mine = [queue.enqueue(n, audience="a").id for n in range(5)]
    queue.enqueue("b", audience="b")
    queue.enqueue("nobody's")
    other.enqueue("elsewhere", audience="a")
    page = queue.jobs(audience="a", limit=3)
    rest = queue.jobs(audience="a", limit=3, after=page.next)
    assert [job.id for job in (*page, *rest)] == mine[::-1]
    assert rest.next is None


def test_signals_name_the_audience(make_queue: MakeQueue) -> None:
    seen = Seen()

    def report(queue: Any, item: Any) -> None:
        queue.report_progress(1, 2)

    queue = make_queue(report)
    queue.subscribe(seen)
    with queue:
        job = queue.enqueue(1, audience="a")
        finished(queue, job)
        signals: list[Signal] = seen.wait_for(
            lambda all_: all_ and all_[-1]["status"] == "completed"
        )
    assert {signal["audience"] for signal in signals} == {"a"}


def test_the_news_of_some_audiences_are_theirs_alone(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue()
    a, b, _ = (queue.enqueue(n, audience=name) for n, name in enumerate(("a", "b", None)))
    queue.cancel(a.id)
    engine = Engine.open(str(database))
    try:
        moves, _ = engine.store.journal.news_of(["a"], 0, 0, 10)
        assert [(move.job_id, move.event) for move in moves] == [
            (a.id, "enqueue"), (a.id, "cancel"),
        ]  # fmt: skip
        both, _ = engine.store.journal.news_of(["a", "b"], moves[0].seq, 0, 10)
        assert [(move.job_id, move.event) for move in both] == [
            (b.id, "enqueue"), (a.id, "cancel"),
        ]  # fmt: skip
        assert (
            engine.store.journal.news_of(["a"], 0, 0, 3)[0] == moves
        )  # more is new than it may be
        assert engine.store.journal.news_of([], 0, 0, 10) == ([], [])
    finally:
        engine.close()


def test_the_progress_of_some_audiences_is_theirs_alone(
    make_queue: MakeQueue, database: Path
) -> None:
    def report(queue: Any, item: Any) -> None:
        queue.report_progress(item, 10)

    with make_queue(report) as queue:
        # One after the other: their progress is told in the order in which it was stored.
        jobs = [
            finished(queue, queue.enqueue(n, audience=name))[0] for n, name in enumerate("abab")
        ]
    engine = Engine.open(str(database))
    try:
        _, reports = engine.store.journal.news_of(["a"], 0, 0, 10)
        assert [(one.job_id, one.progress.current) for one in reports] == [
            (jobs[0].id, 0), (jobs[2].id, 2),
        ]  # fmt: skip
        _, newer = engine.store.journal.news_of(["a"], 0, reports[0].tick, 10)
        assert newer == reports[1:]
        seq, _ = engine.store.journal.head()
        for count in (3, 4):  # more is new than that, and not
            assert engine.store.journal.news_of(["a"], seq, 0, count)[1] == reports
    finally:
        engine.close()


def test_who_has_missed_little_is_told_without_a_look_at_all_jobs_of_the_audience(
    make_queue: MakeQueue, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue()
    queue.enqueue_many(range(10), audience="a")
    newest = queue.enqueue(10, audience="a")
    engine = Engine.open(str(database))
    for name in ("transitions_of_audiences", "progress_of_audiences_since"):
        monkeypatch.delitem(STATEMENTS, name)
    try:
        moves, _ = engine.store.journal.news_of(["a"], 10, 0, 5)
        assert [move.job_id for move in moves] == [newest.id]
    finally:
        engine.close()


def test_an_audience_cannot_be_changed_later(make_queue: MakeQueue, database: Path) -> None:
    job = make_queue().enqueue(1, audience="a")
    with pytest.raises(Exception, match="a job keeps its id, queue, item, audience"):
        sql(database, "UPDATE job SET audience = 'b'")
    assert make_queue().get(job.id).audience == "a"


@pytest.mark.parametrize("audience", ["", "x" * 201, "two\nlines", 7, b"bytes"])
def test_an_audience_that_is_no_short_text_is_refused(make_queue: MakeQueue, audience: Any) -> None:
    with pytest.raises(ConfigurationError, match="audience: expected printable text"):
        make_queue().enqueue(1, audience=audience)


def test_notices_reach_subscribers_who_ask_for_them(make_queue: MakeQueue, database: Path) -> None:
    make_queue().counts()
    engine = Engine.open(str(database))
    asking, other = Seen(), Seen()
    try:
        engine.observers.subscribe(asking, notices=True)
        engine.observers.subscribe(other)
        engine.store.journal.notify("a", "greeting", '{"to": 1}')
        make_queue().enqueue(1)
        (first, *_) = [s for s in asking.wait_for(lambda all_: len(all_) == 2) if "notice" in s]
        assert first == {"signal": "greeting", "notice": 1, "audience": "a", "data": {"to": 1}}
        assert [s["event"] for s in other.wait_for(len)] == ["enqueue"]
        assert engine.store.journal.last_notice() == 1
    finally:
        engine.close()


def test_a_queue_is_placed_in_a_file_unless_it_has_one(
    make_queue: MakeQueue, tmp_path: Path
) -> None:
    class Work(QueueService):
        name = "work"

    free, chosen = Work(), Work(database=tmp_path / "chosen.db")
    for queue in (free, chosen):
        queue.place(tmp_path / "app.db")
    assert (Path(free.path).name, Path(chosen.path).name) == ("app.db", "chosen.db")
    free.counts()
    try:
        with pytest.raises(ConfigurationError, match=r"is open on .*app\.db and cannot be placed"):
            free.place(tmp_path / "other.db")
    finally:
        free.stop()
