# Run it:  sprag run examples.with_django:app     and open http://127.0.0.1:8000/django/
"""Django inside sprag, as ASGI at /django and as WSGI at /django-wsgi, and jobs from its views."""

from __future__ import annotations

import os
import secrets
from typing import Any

import django
from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse

from examples.counting import CountQueue
from sprag import App
from sprag.queue import QueueFull

# Your project has these in its settings.py, which DJANGO_SETTINGS_MODULE names.
settings.configure(
    SECRET_KEY=os.environ.get("DJANGO_SECRET") or secrets.token_urlsafe(),
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
)
django.setup()


def index(_request: HttpRequest) -> HttpResponse:
    """A page of Django."""
    return HttpResponse(f"Django at {reverse('index')}")


def count(request: HttpRequest, to: int) -> HttpResponse:
    """Count in the background for this user, whose open pages see it. Return the job's id."""
    scope = getattr(request, "scope", None) or request.META["asgi.scope"]
    user = app.audience_of(scope)
    try:
        return HttpResponse(app.queue("counting").enqueue({"to": to}, audience=user).id)
    except QueueFull:
        return HttpResponse("The queue is full: try again later", status=503)


urlpatterns = [path("", index, name="index"), path("count/<int:to>", count)]

wsgi: Any = WSGIMiddleware(get_wsgi_application())

app = App(
    routes="examples.pages",
    providers={"counting": CountQueue()},
    database="counting.db",
    mounts={"/django": get_asgi_application(), "/django-wsgi": wsgi},
)
