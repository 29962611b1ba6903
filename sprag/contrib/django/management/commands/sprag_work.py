"""`manage.py sprag_work`: runs Django's tasks."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from contextlib import ExitStack, suppress
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.module_loading import autodiscover_modules

from ...backend import SpragBackend
from ...names import task_backends


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types
    """Runs the jobs of a backend until Ctrl-C or SIGTERM."""

    help = "Run the tasks that sprag keeps, until Ctrl-C or SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--backend and --queue."""
        parser.add_argument("--backend", default="default", help="the alias in TASKS")
        parser.add_argument(
            "--queue", action="append", dest="queues", metavar="NAME",
            help="only this queue; may be repeated (default: all of the backend)",
        )  # fmt: skip

    def handle(self, *_args: Any, **options: Any) -> None:
        """Start a worker of each queue, and wait."""
        autodiscover_modules("tasks")
        backend: SpragBackend = task_backends[options["backend"]]
        names = options["queues"] or sorted(backend.queues)
        with suppress(KeyboardInterrupt), ExitStack() as queues:
            for name in names:
                queues.enter_context(backend.worker(name))
            self.stdout.write(f"running the tasks of {', '.join(names)}")
            self.stdout.flush()
            threading.Event().wait()
