"""`QueueService[Item, Result]`: what a class says of its items and results holds for type checkers,
and when jobs are stored and run."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, assert_type

import pytest

from sprag.queue import ConfigurationError, Job, PayloadError, QueueService
from sprag.queue.service import life_of
from tests.support import finished, sql


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Order:
    number: int
    color: Color = Color.RED


class Orders(QueueService[Order, Color]):
    name = "orders"
    worker_count = 1

    def handle_item(self, item: Order) -> Color:
        assert type(item) is Order
        return item.color


class AsyncOrders(QueueService[list[Order], int]):
    name = "orders"
    worker_count = 1

    async def handle_item(self, item: list[Order]) -> int:
        return sum(order.number for order in item)


class OnlyItems(QueueService[dict[str, int]]):
    name = "orders"

    def handle_item(self, item: dict[str, int]) -> Any:
        return item


def test_a_checker_sees_an_item_of_another_type(database: Path) -> None:
    queue = Orders(database=database)
    with pytest.raises(PayloadError):
        queue.enqueue({"numbr": 1})  # type: ignore[arg-type]
    with pytest.raises(PayloadError):
        queue.enqueue_many([Order(1), "x"])  # type: ignore[list-item]
    OnlyItems(database=database).enqueue({"a": "b"})  # type: ignore[dict-item]
    assert_type(queue.enqueue(Order(1)), Job)
    queue.stop()


def test_a_checker_sees_a_handler_of_another_type() -> None:
    class Wrong(QueueService[Order, Color]):
        def handle_item(self, item: int) -> Color:  # type: ignore[override]
            raise NotImplementedError

    class AlsoWrong(QueueService[Order, Color]):
        async def handle_item(self, item: Order) -> int:  # type: ignore[override]
            raise NotImplementedError

    assert issubclass(Wrong, QueueService)
    assert issubclass(AlsoWrong, QueueService)


def test_a_queue_that_says_nothing_takes_any_item(database: Path) -> None:
    class Plain(QueueService):
        name = "plain"

        def handle_item(self, item: dict[str, Any]) -> str:
            return str(item["x"])

    def use(queue: QueueService) -> Job:
        return queue.enqueue({"x": 1})

    with Plain(database=database) as queue:
        assert finished(queue, use(queue))[0].result == "1"
        assert life_of(queue).runs.item.read is None


def test_items_and_results_are_made_again_by_the_types_of_the_class(database: Path) -> None:
    with Orders(database=database) as queue:
        jobs = [queue.enqueue(Order(1, Color.BLUE)), *queue.enqueue_many([Order(2)])]
        assert jobs[0].item == {"number": 1, "color": "blue"}
        assert [job.result for job in finished(queue, *jobs)] == ["blue", "red"]
        sql(database, "INSERT INTO job (queue, item) VALUES ('orders', '{\"number\": 3}')")
        (job,) = finished(queue, queue.jobs(limit=1).jobs[0])
        assert job.result == "red"


def test_an_async_handler_gets_its_items_by_type_too(database: Path) -> None:
    with AsyncOrders(database=database) as queue:
        (job,) = finished(queue, queue.enqueue([Order(1), Order(2, Color.BLUE)]))
    assert job.result == 3


def test_an_item_of_another_type_is_refused_with_its_place(database: Path) -> None:
    queue = Orders(database=database)
    with pytest.raises(PayloadError, match=r"items\[1\]\.color: expected a Color"):
        queue.enqueue_many([Order(1), {"number": 1, "color": "green"}])  # type: ignore[list-item]
    queue.stop()


T = TypeVar("T")


class Listing(QueueService[list[T], T], Generic[T]):
    name = "listing"
    worker_count = 1

    def handle_item(self, item: list[T]) -> T:
        return item[0]


class Colors(Listing[Color]):
    """A queue whose author has a generic class of their own."""


def test_a_generic_class_of_one_s_own_may_stand_between(database: Path) -> None:
    with Colors(database=database) as queue:
        (job,) = finished(queue, queue.enqueue([3]))  # type: ignore[list-item]
    assert job.result == 3


def test_a_typed_class_that_a_function_makes_twice_is_one_class(database: Path) -> None:
    def made() -> type[QueueService[int, int]]:
        class Work(QueueService[int, int]):
            name = "work"

            def handle_item(self, item: int) -> int:
                return item

        return Work

    with made()(database=database):
        made()(database=database).start().stop()


def test_a_mistake_in_a_typed_class_is_told_as_in_every_other() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'worker_count'"):

        class Work(QueueService[int, int]):
            workers = 3

    assert QueueService[int, int](name="work").name == "work"
