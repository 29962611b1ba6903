"""Assertions about jobs: what they accept, and what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from unittest.mock import ANY

import pytest

from sprag import QueueService, task
from sprag.queue import ConfigurationError
from sprag.testing import (
    assert_enqueued,
    assert_enqueues,
    assert_nothing_enqueued,
    drain,
)
from tests.conftest import MakeQueue


class Size(Enum):
    """What is stored as something else."""

    SMALL = "s"
    LARGE = "l"


@dataclass
class Picture:
    """An item of a typed queue."""

    path: str
    size: Size


class Pictures(QueueService[Picture, None]):
    """Has an item of a type, and a task."""

    name = "pictures"

    def handle_item(self, item: Picture) -> None:
        pass

    @task
    def resize(self, path: str, size: Size = Size.SMALL) -> None:
        pass


@pytest.fixture
def queue(make_queue: MakeQueue) -> QueueService:
    return make_queue()


@pytest.fixture
def pictures(make_queue: MakeQueue) -> Pictures:
    made = make_queue(Pictures)
    assert isinstance(made, Pictures)
    return made


@pytest.mark.parametrize(
    "item",
    [
        {"a": [1, (2, 3)]},
        {"a": ANY},
        {"a": [1, (ANY, 3)]},
        {"a": lambda value: len(value) == 2},
        {"a": [1, (2, lambda value: value == 3)]},
        ANY,
        lambda item: "a" in item,
    ],
)
def test_an_item_may_be_a_value_a_function_or_anything(queue: QueueService, item: Any) -> None:
    job = queue.enqueue({"a": [1, (2, 3)]})
    assert assert_enqueued(queue, item) == [job]


@pytest.mark.parametrize(
    "item", [{"a": [1, [2, 3]]}, {"a": [1]}, {"a": 1}, {}, None, lambda item: False, [("a", ANY)]]
)
def test_another_item_is_refused(queue: QueueService, item: Any) -> None:
    queue.enqueue({"a": [1, (2, 3)]})
    assert_nothing_enqueued(queue, item)
    with pytest.raises(AssertionError, match="another item"):
        assert_enqueued(queue, item)


def test_a_typed_item_is_compared_as_it_was_enqueued(pictures: Pictures) -> None:
    pictures.enqueue(Picture("a.png", Size.LARGE))
    assert_enqueued(pictures, Picture("a.png", Size.LARGE), count=1, task=None)
    assert_nothing_enqueued(pictures, Picture("a.png", Size.SMALL))
    assert_nothing_enqueued(pictures, 5)


def test_a_task_is_told_by_its_arguments_or_its_name(pictures: Pictures) -> None:
    pictures.resize.enqueue("a.png", size=Size.LARGE)
    assert_enqueued(pictures, pictures.resize.args("a.png", Size.LARGE), count=1)
    assert_enqueued(pictures, {"path": "a.png", "size": ANY}, task="resize", count=1)
    assert_nothing_enqueued(pictures, pictures.resize.args("a.png"))
    assert_nothing_enqueued(pictures, task=None)


AT = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected", "others"),
    [
        ({"priority": 5}, {"priority": 5}, {"priority": 0}),
        ({"label": "x"}, {"label": lambda text: text.startswith("x")}, {"label": None}),
        ({"delay": "1h"}, {"delay": timedelta(hours=1)}, {"delay": 3602}),
        ({"delay": "1h"}, {"delay": lambda waits: waits > 3000}, {"delay": None}),
        ({}, {"delay": None}, {"delay": 5}),
        ({"run_at": AT}, {"run_at": AT}, {"run_at": AT + timedelta(seconds=1)}),
        ({"run_at": AT}, {"run_at": AT.timestamp()}, {"run_at": 0}),
        ({"unique": "k", "unique_for": "queued"}, {"unique": "k", "unique_for": "queued"},
         {"unique_for": "unfinished"}),
        ({"max_attempts": 3, "time_limit": 5}, {"max_attempts": 3, "time_limit": 5},
         {"time_limit": ANY, "max_attempts": 1}),
        ({"audience": "me"}, {"audience": "me", "status": "queued"}, {"status": "running"}),
    ],
)  # fmt: skip
def test_options_are_compared_by_the_names_of_enqueue(
    queue: QueueService, given: Any, expected: Any, others: Any
) -> None:
    job = queue.enqueue(1, **given)
    assert assert_enqueued(queue, 1, **expected) == [job]
    assert_nothing_enqueued(queue, 1, **others)


def test_jobs_count_in_every_state_and_in_their_order(queue: QueueService) -> None:
    first = queue.enqueue(1)
    drain(queue)
    second = queue.enqueue(1)
    assert [job.id for job in assert_enqueued(queue, count=2)] == [first.id, second.id]
    assert_enqueued(queue, status="completed", count=1)


def test_more_jobs_than_a_page_has_are_all_seen(queue: QueueService) -> None:
    queue.enqueue_many(range(2500))
    assert len(assert_enqueued(queue, lambda number: number % 2 == 0, count=1250)) == 1250


def test_a_failure_lists_what_there_is_instead(pictures: Pictures) -> None:
    first = pictures.resize.using(priority=2).enqueue("a.png")
    second = pictures.resize.enqueue("b.png")
    with pytest.raises(AssertionError) as caught:
        assert_enqueued(pictures, {"path": "b.png"}, task="resize", priority=2)
    assert str(caught.value).splitlines() == [
        "expected at least 1 job of queue 'pictures' with item={'path': 'b.png'}, task='resize', "
        "priority=2; got 0 of 2:",
        f'  resize {{"path":"a.png"}} (queued, {first.id[:8]}): another item',
        f'  resize {{"path":"b.png"}} (queued, {second.id[:8]}): priority 0',
    ]
    with pytest.raises(AssertionError) as caught:
        assert_nothing_enqueued(pictures, {"path": "b.png"})
    assert str(caught.value).splitlines()[0].startswith("expected 0 jobs of queue 'pictures' with")
    assert str(caught.value).endswith(": like this")


def test_a_failure_is_short_whatever_there_is(queue: QueueService) -> None:
    with pytest.raises(AssertionError, match=r"^expected 1 job of queue 'work'; got 0 of 0$"):
        assert_enqueued(queue, count=1)
    queue.enqueue_many(["x" * 10_000] * 100)
    with pytest.raises(AssertionError, match="80 earlier ones") as caught:
        assert_enqueued(queue, "y" * 10_000)
    assert len(str(caught.value)) < 10_000


def test_a_block_counts_only_what_was_enqueued_inside(queue: QueueService) -> None:
    queue.enqueue(1, unique="before")
    with assert_enqueues(queue, 1) as jobs:
        assert jobs == []
        made = queue.enqueue(1)
    assert jobs == [made]
    with assert_enqueues(queue, count=0):
        queue.enqueue(1, unique="before")
    with (
        pytest.raises(AssertionError, match="at least 1 job of queue 'work' in the block with"),
        assert_enqueues(queue, 1),
    ):
        queue.enqueue(2)


def test_an_error_in_a_block_is_the_one_that_is_raised(queue: QueueService) -> None:
    with pytest.raises(LookupError), assert_enqueues(queue, 1):
        raise LookupError


def test_a_misspelt_option_is_refused_at_once(queue: QueueService) -> None:
    told = re.escape("did you mean 'priority'?")
    with pytest.raises(ConfigurationError, match=told):
        assert_enqueued(queue, 1, priorty=5)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match=told):
        assert_nothing_enqueued(queue, priorty=5)  # type: ignore[call-arg]
    with (
        pytest.raises(ConfigurationError, match=told),
        assert_enqueues(queue, priorty=5),  # type: ignore[call-arg]
    ):
        queue.enqueue(1, priority=5)
    with pytest.raises(ConfigurationError, match="count: expected a number of jobs, got -1"):
        assert_enqueued(queue, count=-1)
