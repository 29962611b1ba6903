"""The races of a `QueueService` as a whole."""

from __future__ import annotations

from typing import Any

from sprag.queue import QueueService
from sprag.queue.service import life_of

from .handlers import quick
from .stage import QUEUE, Scene

_ONE = f"{10:032x}"


def stop_and_start(scene: Scene) -> None:
    """It is stopped and started at the same time."""
    queue = _service(scene)
    queue.start()
    scene.enqueue(life_of(queue).engine, _ONE)
    scene.actor("stop", queue.stop, of="a")
    scene.actor("start", queue.start, of="a")


def start_against_stop(scene: Scene) -> None:
    """It is started and stopped at the same time, with a job."""
    queue = _service(scene)
    b = scene.process("b")
    scene.enqueue(b, _ONE)
    scene.actor("start", queue.start, of="a")
    scene.actor("stop", queue.stop, of="a")


def _service(scene: Scene) -> Any:
    handle = scene.handler(quick)

    class Queue(QueueService):
        name = QUEUE
        database = scene.path
        worker_count = 1
        grace_seconds = 0.0
        durability = "normal"

        def handle_item(self, item: Any) -> Any:
            return handle(item)

    scene.run.process = "a"
    queue = Queue()
    scene.queues.append(queue)
    return queue


def empty_service(scene: Scene) -> None:
    """The same without a job."""
    queue = _service(scene)
    scene.actor("start", queue.start, of="a")
    scene.actor("stop", queue.stop, of="a")
