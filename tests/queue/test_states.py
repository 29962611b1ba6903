import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprag.queue import states
from sprag.queue.states import MOVES, OWNED, STATUSES, TERMINAL, Event, Folded, Status, fold

EVENTS: tuple[Event, ...] = tuple(dict.fromkeys(move.event for move in MOVES))


def test_the_table_is_the_one_that_was_promised() -> None:
    assert [move[:3] for move in MOVES] == [
        (None, "enqueue", "queued"),
        ("queued", "start", "running"),
        ("queued", "cancel", "cancelled"),
        ("running", "cancel", "cancelling"),
        ("running", "complete", "completed"),
        ("running", "fail", "failed"),
        ("running", "retry", "queued"),
        ("running", "release", "queued"),
        ("running", "recover", "queued"),
        ("running", "lose", "failed"),
        ("cancelling", "confirm", "cancelled"),
        ("cancelling", "complete", "completed"),
        ("cancelling", "fail", "failed"),
        ("failed", "requeue", "queued"),
        ("cancelled", "requeue", "queued"),
    ]


def test_an_event_leads_to_one_state_from_each_state() -> None:
    edges = [(move.source, move.event) for move in MOVES]
    assert len(edges) == len(set(edges))


def test_every_state_can_be_reached_and_only_completed_is_final() -> None:
    reached: set[Status] = {move.target for move in MOVES}
    assert reached == set(STATUSES)
    left = {move.source for move in MOVES} - {None}
    assert set(STATUSES) - left == {"completed"}


def test_only_a_requeue_leaves_a_finished_job() -> None:
    assert {move.event for move in MOVES if move.source in TERMINAL} == {"requeue"}


def test_target_is_none_where_the_table_has_no_move() -> None:
    edges = {(move.source, move.event): move.target for move in MOVES}
    sources: tuple[Status | None, ...] = (None, *STATUSES)
    for source, event in itertools.product(sources, EVENTS):
        assert states.target(source, event) == edges.get((source, event))


@pytest.mark.parametrize(
    ("event", "sources"),
    [
        ("enqueue", ()),
        ("cancel", ("queued", "running")),
        ("complete", ("running", "cancelling")),
        ("requeue", ("failed", "cancelled")),
        ("confirm", ("cancelling",)),
    ],
)
def test_sources_are_in_the_order_of_the_table(event: Event, sources: tuple[Status, ...]) -> None:
    assert states.sources(event) == sources


def folded(*events: Event, owner: int = 7) -> Folded:
    job: Folded | None = None
    for event in events:
        job = fold(job, event, owner)
    assert job is not None
    return job


def test_a_fold_counts_attempts_and_starts() -> None:
    assert folded("enqueue") == Folded("queued")
    assert folded("enqueue", "start") == Folded("running", 1, 1, 0, 7)
    assert folded("enqueue", "start", "retry") == Folded("queued", 1, 1)
    assert folded("enqueue", "start", "retry", "start") == Folded("running", 2, 2, 0, 7)


def test_a_release_gives_the_attempt_back_but_not_the_start() -> None:
    assert folded("enqueue", "start", "release") == Folded("queued", 0, 1)


def test_a_recovery_counts_a_crash_and_keeps_the_attempt() -> None:
    assert folded("enqueue", "start", "recover") == Folded("queued", 1, 1, 1)
    assert folded("enqueue", "start", "recover", "start", "lose") == Folded("failed", 2, 2, 2)


def test_a_requeue_begins_anew_but_for_the_starts() -> None:
    job = folded("enqueue", "start", "recover", "start", "fail", "requeue")
    assert job == Folded("queued", 0, 2, 0)


def test_a_job_asked_to_cancel_keeps_its_owner_until_it_gives_way() -> None:
    assert folded("enqueue", "start", "cancel").owner == 7
    assert folded("enqueue", "start", "cancel", "confirm").owner is None


def test_a_fold_refuses_what_the_table_lacks() -> None:
    with pytest.raises(ValueError, match="no move 'complete' from 'queued'"):
        folded("enqueue", "complete")
    with pytest.raises(ValueError, match="no move 'start' from None"):
        folded("start")
    with pytest.raises(ValueError, match="no move 'enqueue' from 'queued'"):
        folded("enqueue", "enqueue")


@given(st.data())
def test_any_walk_through_the_table_keeps_its_promises(data: st.DataObject) -> None:
    job = fold(None, "enqueue")
    for owner in range(data.draw(st.integers(0, 25))):
        moves = [move for move in MOVES if move.source == job.status]
        if not moves:
            assert job.status == "completed"
            break
        move = data.draw(st.sampled_from(moves))
        before, job = job, fold(job, move.event, owner)
        assert job.status == move.target
        assert (job.owner is not None) == (job.status in OWNED)
        assert 0 <= job.attempt <= job.starts
        assert job.crashes <= job.starts
        assert job.starts == before.starts + (move.event == "start")
