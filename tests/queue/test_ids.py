import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sprag.queue import ids, new_job_id
from sprag.queue.ids import is_job_id, new_ids


def test_an_id_is_32_hexadecimal_digits() -> None:
    assert is_job_id(new_job_id())
    assert all(map(is_job_id, new_ids(100)))
    assert new_ids(0) == []


def test_ids_sort_by_time_within_a_call_and_across_calls() -> None:
    made = [id_ for count in (1, 500, 1, 20) for id_ in new_ids(count)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_an_id_begins_with_its_time() -> None:
    before = time.time_ns() // 1000
    [made] = new_ids(1)
    # Ids made faster than the clock ticks run ahead of it, by a microsecond each.
    assert before <= int(made[:13], 16) <= time.time_ns() // 1000 + 10_000


def test_ids_keep_growing_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_job_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert new_job_id() > first


def test_the_random_part_cannot_be_told_from_its_neighbours() -> None:
    made = new_ids(2000)
    # Were these 76 bits counted on, or fewer, some digit would keep its value or some part return.
    for digit in range(13, 32):
        assert {id_[digit] for id_ in made} == set("0123456789abcdef")
    for start in (13, 19, 24):
        assert len({id_[start : start + 8] for id_ in made}) == len(made)


def test_a_forked_child_makes_other_ids_even_while_a_thread_makes_one() -> None:
    new_ids(1)
    ours, theirs = os.pipe()
    with ids._lock:
        child = os.fork()
        if child == 0:
            os.write(theirs, "".join(new_ids(20)).encode())
            os._exit(0)
    said = os.read(ours, 20 * 32).decode()
    assert os.waitpid(child, 0)[1] == 0
    os.close(ours)
    os.close(theirs)
    made = [said[n : n + 32][13:] for n in range(0, len(said), 32)]
    assert len(made) == 20
    assert not set(made) & {id_[13:] for id_ in new_ids(1000)}


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_threads_never_get_the_same_id_nor_one_out_of_order() -> None:
    made: list[list[str]] = [[] for _ in range(8)]
    start = threading.Barrier(8)

    def make(own: list[str]) -> None:
        start.wait()
        for count in range(1, 200):
            own += new_ids(count)

    threads = [threading.Thread(target=make, args=(own,)) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [id_ for own in made for id_ in own]
    assert len({id_[:13] for id_ in every}) == len(every)
    assert all(own == sorted(own) for own in made)


@pytest.mark.parametrize(
    "value",
    [
        "", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "a" * 31 + "\n", "a" * 32 + "\n", "٣" * 32,
        None, 5, b"a" * 32, ["a"] * 32,
    ],
)  # fmt: skip
def test_what_has_another_shape_is_no_job_id(value: Any) -> None:
    assert not is_job_id(value)


def test_a_clock_that_is_out_of_its_mind_spoils_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_job_id()
    monkeypatch.setattr(time, "time_ns", lambda: 2**63)
    made = new_ids(3)
    assert all(map(is_job_id, made))
    assert before < made[0] < made[1] < made[2]
