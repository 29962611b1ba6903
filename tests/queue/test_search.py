"""Lists of jobs: by text, in bounded time; the latest failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sprag.queue import QueueService
from sprag.queue.service import life_of
from sprag.queue.store import search
from sprag.queue.store.glances import State
from sprag.queue.store.search import Found, Wanted
from sprag.queue.store.store import Store
from tests.conftest import MakeQueue
from tests.support import finished, sql


def handle(queue: QueueService, item: Any) -> Any:
    if item["fail"]:
        raise ValueError(item["fail"])
    return item


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    return make_queue(handle, worker_count=1)


def store_of(queue: QueueService) -> Store:
    return life_of(queue).open().store


def find(queue: QueueService, count: int, place: str | None = None, **options: Any) -> Found:
    """What a search finds; `options` are those of `Wanted` and of `find`."""
    store = store_of(queue)
    wanted = {name: options.pop(name) for name in Wanted._fields if name in options}
    return store.search.find(
        Wanted(**{"now": store.clock(), **wanted}),
        count, None if place is None else int(place), **options,
    )  # fmt: skip


def found(queue: QueueService, text: str, **options: Any) -> list[str]:
    return [job.id for job in find(queue, 50, text=text, **options).jobs]


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
    assert find(queue, 9, queues=["work"], states=["failed"], text=id_).jobs == ()


def test_pages_hold_every_match_once(queue: QueueService) -> None:
    ids = [add(queue, label=f"{n % 2} of two") for n in range(23)]
    seen: list[str] = []
    before = None
    while True:
        page = find(queue, 4, before, queues=["work"], text="1 of two")
        seen += [job.id for job in page.jobs]
        if page.next is None:
            break
        before = page.next
    assert seen == ids[1::2][::-1]


def test_a_search_stops_at_its_bound_says_so_and_goes_on_from_there(queue: QueueService) -> None:
    [oldest, *_] = [add(queue, label="wanted" if n == 0 else None) for n in range(450)]
    first = find(queue, 9, text="wanted", most=1)
    assert (first.jobs, first.looked, first.cut) == ((), 200, True)
    assert first.next is not None
    again = find(queue, 9, first.next, text="wanted", seconds=0.0)
    assert again.cut
    rest = find(queue, 9, first.next, text="wanted")
    assert [job.id for job in rest.jobs] == [oldest]
    assert (rest.next, rest.cut) == (None, False)


def test_long_texts_are_cut_and_broken_ones_shown_as_they_can_be(
    queue: QueueService, database: Path
) -> None:
    add(queue, text="x" * 5000)
    broken = "INSERT INTO job (queue, label, item) VALUES ('work', CAST(X'61FF' AS TEXT), '1')"
    sql(database, broken)
    [strange, long] = find(queue, 9).jobs
    assert strange.label == "a\ufffd"
    assert len(long.item) == 400


@pytest.mark.parametrize("few", [2, 2_000])
def test_queued_jobs_of_one_kind_are_found_however_many_there_are(
    queue: QueueService, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(search, "_FEW", few)
    ready, scheduled = [], []
    for n in range(5):
        ready.append(add(queue))
        scheduled.append(queue.enqueue({"fail": ""}, delay=3600 - n).id)

    def ids(*states: State, **options: Any) -> list[str]:
        return [job.id for job in find(queue, 9, states=states, **options).jobs]

    assert ids("ready") == ready[::-1]
    assert ids("scheduled") == scheduled[::-1]
    assert ids("scheduled", order="oldest") == scheduled
    first = find(queue, 2, states=["scheduled"])
    rest = find(queue, 9, first.next, states=["scheduled"])
    assert [job.id for job in (*first.jobs, *rest.jobs)] == scheduled[::-1]
    # The one that is due next is the newest.
    assert ids("scheduled", order="due")[0] == scheduled[-1]


def test_what_is_sorted_among_some_jobs_only_says_so(
    queue: QueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [add(queue) for _ in range(4)]
    queue.start()
    finished(queue, *jobs)
    whole = find(queue, 2, order="longest")
    assert (len(whole.jobs), whole.looked, whole.cut, whole.next) == (2, 4, False, None)
    assert whole.jobs[0].seconds is not None
    assert whole.jobs[1].seconds is not None
    assert whole.jobs[0].seconds >= whole.jobs[1].seconds
    monkeypatch.setattr(search, "_SORTED", 3)
    part = find(queue, 2, order="longest")
    assert (part.looked, part.cut) == (3, True)


def test_failures_come_in_the_order_in_which_they_happened(queue: QueueService) -> None:
    first, second = add(queue, fail="one"), add(queue, fail="two")
    queue.start()
    finished(queue, first, second)
    queue.requeue(first)
    # It waits for the failure after the new attempt, not for the one that was.
    finished(queue, first)
    add(queue)
    listed = store_of(queue).search.failures(5)
    assert [(job.id, job.error_type, job.error_message) for job in listed] == [
        (first, "ValueError", "one"),
        (second, "ValueError", "two"),
    ]
    # Beyond the window, the newest failed jobs take their place.
    assert [job.id for job in store_of(queue).search.failures(5, window=1)] == [first, second]
    assert [job.id for job in store_of(queue).search.failures(1)] == [first]
