from __future__ import annotations

import time
from pathlib import Path

import pytest

from sprag.cli.numbers import measure
from sprag.queue.operators import open_beside
from tests.cli.conftest import Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import sql


def test_jobs_are_counted_by_queue_and_state(
    sprag: Sprag, ended: Ended, make_queue: MakeQueue
) -> None:
    other = make_queue(name="other")
    other.enqueue_many(range(3))
    other.stop()
    answer = sprag("counts")
    assert answer.code == 0
    lines = [line.split() for line in answer.out.splitlines()]
    assert lines[0][1:] == ["QUEUED", "RUNNING", "CANCELLING", "COMPLETED", "FAILED", "CANCELLED"]
    assert lines[1:4] == [
        ["images", "2", "0", "0", "1", "1", "1"],
        ["other", "3", "0", "0", "0", "0", "0"],
        ["all", "5", "0", "0", "1", "1", "1"],
    ]


def test_the_json_of_counts_has_moves_and_the_wait_of_the_next_job(
    sprag: Sprag, ended: Ended, make_queue: MakeQueue
) -> None:
    document = sprag("counts", "--json", "--within", "1h").document
    assert document["seconds"] == 3600
    images = document["queues"]["images"]
    assert images["counts"] == {
        "queued": 2, "running": 0, "cancelling": 0, "completed": 1, "failed": 1, "cancelled": 1,
    }  # fmt: skip
    assert images["moves"] == {
        "enqueue": 5, "cancel": 1, "start": 3, "complete": 1, "retry": 1, "fail": 1,
    }  # fmt: skip
    assert 0 <= images["wait"] < 3600


def test_a_queue_where_nothing_is_ready_has_no_wait(sprag: Sprag, make_queue: MakeQueue) -> None:
    queue = make_queue(name="later")
    queue.enqueue(1, delay=60)
    queue.stop()
    assert sprag("counts", "--json").document["queues"]["later"]["wait"] is None


def test_a_queue_that_is_named_is_counted_even_if_it_has_no_job(sprag: Sprag, ended: Ended) -> None:
    queues = sprag("counts", "--json", "-q", "unheard-of").document["queues"]
    assert set(queues) == {"unheard-of"}
    assert set(queues["unheard-of"]["counts"].values()) == {0}


def test_moves_before_the_time_asked_for_do_not_count(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    old = time.time() - 7200
    sql(database, "INSERT INTO job (queue, item, moved_at) VALUES ('old', '1', ?)", (old,))
    assert sprag("counts", "--json", "--within", "1h").document["queues"]["old"]["moves"] == {}
    moves = sprag("counts", "--json", "--within", "3h").document["queues"]["old"]["moves"]
    assert moves == {"enqueue": 1}


@pytest.mark.parametrize("within", ["0", "soon"])
def test_rates_need_some_time(sprag: Sprag, ended: Ended, within: str) -> None:
    assert sprag("counts", "--within", within).code == 2


def test_an_empty_file_has_nothing_to_count(sprag: Sprag, make_queue: MakeQueue) -> None:
    queue = make_queue()
    queue.counts()
    queue.stop()
    assert sprag("counts").code == 0
    assert sprag("counts", "--json").document["queues"] == {}


def test_more_moves_than_can_be_counted_are_counted_over_less_time(database: Path) -> None:
    opened = open_beside((), str(database))
    try:
        sql(
            database,
            "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series LIMIT 100) "
            "INSERT INTO job (queue, item, moved_at) SELECT 'busy', '1', 1000 + n / 100.0 "
            "FROM series",
        )
        rates = measure(opened, 1001.0, 60, window=50)
        assert rates.moves == {"busy": {"enqueue": 50}}
        assert rates.seconds == pytest.approx(0.49)
        assert rates.per_second("busy", ["enqueue"]) == pytest.approx(50 / 0.49)
    finally:
        opened.close()
