"""A backend of `django.tasks`: Django's tasks as jobs of sprag.

TASKS = {
    "default": {
        "BACKEND": "sprag.contrib.django.SpragBackend",
        "QUEUES": ["default", "mail"],
        "OPTIONS": {"database": BASE_DIR / "jobs.db", "worker_count": 4},
    },
}
INSTALLED_APPS = [..., "sprag.contrib.django"]

`manage.py sprag_work` runs the jobs. With a Django before 6.0, install django-tasks.
"""

from .backend import SpragBackend

__all__ = ["SpragBackend"]
