"""What Django's tasks are made of: `django.tasks` of Django 6, or the package django-tasks."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any, Final

_HOME: Final = "django.tasks" if find_spec("django.tasks") is not None else "django_tasks"


def _module(name: str) -> Any:
    return importlib.import_module(f"{_HOME}.{name}")


BaseTaskBackend: Any = _module("backends.base").BaseTaskBackend
Task: Any = _module("base").Task
TaskContext: Any = _module("base").TaskContext
TaskError: Any = _module("base").TaskError
TaskResult: Any = _module("base").TaskResult
TaskResultDoesNotExist: Any = _module("exceptions").TaskResultDoesNotExist
TaskResultStatus: Any = _module("base").TaskResultStatus
signals: Any = _module("signals")
task_backends: Any = importlib.import_module(_HOME).task_backends
