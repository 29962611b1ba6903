"""Which processes run jobs of a file, and what."""

from __future__ import annotations

from sprag.queue import QueueService
from sprag.queue.liveness.processes import Process, processes_of
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import queue_class, wait_until


def processes(queue: QueueService) -> list[Process]:
    engine = life_of(queue).open()
    return processes_of(engine.store, engine.folder)


def employed(queue: QueueService) -> list[dict[str, int]]:
    return [process.workers for process in processes(queue)]


def test_a_process_says_how_many_workers_it_has_for_each_queue(make_queue: MakeQueue) -> None:
    looking = make_queue()
    assert employed(looking) == []
    mail = make_queue(queue_class(name="mail"), worker_count=3).start()
    wait_until(lambda: employed(looking) == [{"mail": 3}])
    second = make_queue(queue_class(name="mail")).start()
    make_queue(queue_class(name="images"), worker_count=1).start()
    wait_until(lambda: employed(looking) == [{"mail": 7, "images": 1}])
    mail.stop()
    second.stop()
    wait_until(lambda: employed(looking) == [{"images": 1}])


def test_a_process_that_only_enqueues_is_none_that_runs_jobs(make_queue: MakeQueue) -> None:
    queue = make_queue()
    queue.enqueue("waits")
    assert processes(queue) == []
