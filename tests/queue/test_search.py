"""Lists of jobs: by text, in bounded time; the latest failures; moves by time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sprag.queue import STATUSES, QueueService
from sprag.queue.journal import Journal
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import finished, sql


def handle(queue: QueueService, item: Any) -> Any:
    if item["fail"]:
        raise ValueError(item["fail"])
    return item


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    return make_queue(handle, worker_count=1)


def journal_of(queue: QueueService) -> Journal:
    return life_of(queue).open().journal


def found(queue: QueueService, text: str, **options: Any) -> list[str]:
    return [
        job.id for job in journal_of(queue).search([], STATUSES, 50, None, text, **options).jobs
    ]


def add(queue: QueueService, fail: str = "", label: str | None = None, **item: Any) -> str:
    return queue.enqueue({"fail": fail, **item}, label=label).id


def test_text_is_found_in_label_item_and_error_in_either_case(queue: QueueService) -> None:
    labelled = add(queue, label="Invoice 7")
    with_item = add(queue, path="in/INVOICE.pdf")
    failed = add(queue, fail='no "invoice" \u00e4')
    other = add(queue)
    queue.start()
    finished(queue, labelled, with_item, failed, other)
    assert found(queue, "invoice") == [failed, with_item, labelled]
    assert found(queue, 'no "INVOICE" \u00e4') == [failed]
    assert found(queue, "valueerror") == [failed]
    assert found(queue, "") == [other, failed, with_item, labelled]


@pytest.mark.parametrize("text", ["100%", "a_b", "back\\slash"])
def test_text_stands_for_itself_alone(queue: QueueService, text: str) -> None:
    meant = add(queue, label=text)
    add(queue, label="100 of axb backslash")
    assert found(queue, text) == [meant]


def test_an_id_is_found_by_its_beginning_however_old_it_is(queue: QueueService) -> None:
    id_ = add(queue)
    for _ in range(5):
        add(queue)
    assert found(queue, id_, most=1) == [id_]
    assert id_ in found(queue, id_[:20].upper(), most=1)
    assert journal_of(queue).search(["work"], ["failed"], 9, None, id_).jobs == ()


def test_pages_hold_every_match_once(queue: QueueService) -> None:
    ids = [add(queue, label=f"{n % 2} of two") for n in range(23)]
    seen: list[str] = []
    before = None
    while True:
        page = journal_of(queue).search(["work"], STATUSES, 4, before, "1 of two")
        seen += [job.id for job in page.jobs]
        if page.next is None:
            break
        before = int(page.next)
    assert seen == ids[1::2][::-1]


def test_a_search_stops_at_its_bound_says_so_and_goes_on_from_there(queue: QueueService) -> None:
    [oldest, *_] = [add(queue, label="wanted" if n == 0 else None) for n in range(450)]
    first = journal_of(queue).search([], STATUSES, 9, None, "wanted", most=1)
    assert (first.jobs, first.looked, first.cut) == ((), 200, True)
    assert first.next is not None
    again = journal_of(queue).search([], STATUSES, 9, int(first.next), "wanted", seconds=0.0)
    assert again.cut
    rest = journal_of(queue).search([], STATUSES, 9, int(first.next), "wanted")
    assert [job.id for job in rest.jobs] == [oldest]
    assert (rest.next, rest.cut) == (None, False)


def test_long_texts_are_cut_and_broken_ones_shown_as_they_can_be(
    queue: QueueService, database: Path
) -> None:
    add(queue, text="x" * 5000)
    broken = "INSERT INTO job (queue, label, item) VALUES ('work', CAST(X'61FF' AS TEXT), '1')"
    sql(database, broken)
    [strange, long] = journal_of(queue).search([], STATUSES, 9).jobs
    assert strange.label == "a\ufffd"
    assert len(long.item) == 400


def test_failures_come_in_the_order_in_which_they_happened(queue: QueueService) -> None:
    first, second = add(queue, fail="one"), add(queue, fail="two")
    queue.start()
    finished(queue, first, second)
    queue.requeue(first)
    # It waits for the failure after the new attempt, not for the one that was.
    finished(queue, first)
    add(queue)
    listed = journal_of(queue).failures(5)
    assert [(job.id, job.error_type, job.error_message) for job in listed] == [
        (first, "ValueError", "one"),
        (second, "ValueError", "two"),
    ]
    # Beyond the window, the newest failed jobs take their place.
    assert [job.id for job in journal_of(queue).failures(5, window=1)] == [first, second]
    assert [job.id for job in journal_of(queue).failures(1)] == [first]


def test_moves_are_counted_by_time(queue: QueueService) -> None:
    good, bad = add(queue), add(queue, fail="no")
    queue.start()
    finished(queue, good, bad)
    at = queue.get(good).created_at
    counted = {(n, event): moves for n, _, event, moves in journal_of(queue).pace(at - 90, 60)}
    assert counted[1, "enqueue"] == 2
    assert counted[1, "complete"] == counted[1, "fail"] == 1
    assert journal_of(queue).pace(at + 3600, 60) == []
    assert sum(moves for *_, moves in journal_of(queue).pace(0, at, window=2)) == 2
