"""A Django project with one module: `work` runs its tasks until it is stopped; anything else
enqueues some, waits for their ends, and prints what became of them as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import timedelta
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

DATABASE, DOES = sys.argv[1:]

settings.configure(
    USE_TZ=True,
    INSTALLED_APPS=["django_tasks", "sprag.contrib.django"],
    TASKS={
        "default": {
            "BACKEND": "sprag.contrib.django.SpragBackend",
            "QUEUES": ["default", "mail"],
            "OPTIONS": {"database": DATABASE, "worker_count": 2, "max_attempts": 2, "backoff": 0},
        }
    },
)
django.setup()

from django_tasks import default_task_backend, task  # noqa: E402  # needs the settings
from django_tasks.exceptions import TaskResultDoesNotExist  # noqa: E402
from django_tasks.signals import task_finished, task_started  # noqa: E402


@task
def add(one: int, other: int = 1) -> int:
    """A plain one."""
    return one + other


@task(priority=10, queue_name="mail", takes_context=True)
async def attempt(context: Any, name: str) -> list[Any]:
    """An async one with a context."""
    await asyncio.sleep(0)
    return [name, context.attempt]


@task
def fails() -> None:
    """One that fails each time."""
    raise ConnectionError("nobody answers")


def told(**said: Any) -> None:
    """Print a signal's result."""
    result = said["task_result"]
    sys.stdout.write(f"{result.task.name} {result.status}\n")
    sys.stdout.flush()


def ended(result: Any) -> dict[str, Any]:
    """What became of a task, once it has ended."""
    end = time.monotonic() + 60
    while not result.is_finished and time.monotonic() < end:
        time.sleep(0.01)
        result.refresh()
    return {
        "status": result.status, "attempts": result.attempts, "queue": result.task.queue_name,
        "priority": result.task.priority, "args": result.args, "kwargs": result.kwargs,
        "value": result.return_value if result.status == "SUCCESSFUL" else None,
        "errors": [error.exception_class.__name__ for error in result.errors],
        "finished": result.finished_at is not None,
    }  # fmt: skip


def enqueued() -> dict[str, Any]:
    """Enqueue one of each."""
    missing = False
    try:
        default_task_backend.get_result("0" * 32)
    except TaskResultDoesNotExist:
        missing = True
    soon = timezone.now() + timedelta(seconds=0.2)
    results: dict[str, Any] = {
        "add": add.enqueue(1, other=2),
        "later": add.using(run_after=soon).enqueue(1),
        "attempt": asyncio.run(attempt.aenqueue("a")),
        "fails": fails.enqueue(),
    }
    first = str(results["add"].status)
    return {"missing": missing, "first": first} | {k: ended(r) for k, r in results.items()}


if DOES == "work":
    task_started.connect(told)
    task_finished.connect(told)
    call_command("sprag_work")
else:
    print(json.dumps(enqueued()))
