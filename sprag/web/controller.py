"""`Controller`: what an application subclasses for each page and its actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack

from starlette.requests import Request

from ..queue import Job, JobExists, JobNotFound, QueueFull, QueueService, TaskCall
from ..queue.operators import CommonOptions, enqueue_call
from .answers import Json, answer, job_json
from .visitor import owner_audience, topic_audience

if TYPE_CHECKING:
    from .app import App

_LABEL: Final = 200


class Controller:
    """A page, its data and its actions. One is made for each request.

    `load()` returns the page's data: the names of its template, and the state that
    its module starts with. So the user can see everything in it.
    """

    route: ClassVar[str | None] = None
    """The page's URL, such as "/images" or "/images/{name}"; None: actions only, no page."""
    title: ClassVar[str] = ""
    """The page's title."""
    template: ClassVar[str | None] = None
    """The template, relative to the routes package. None: the .html file beside the module."""
    module: ClassVar[str | None] = None
    """The file that runs in the browser. None: `<name>_module.py` or `.js` beside this module, if
    there is one."""

    def __init__(self, app: App, request: Request) -> None:
        self.app = app
        self.request = request

    if TYPE_CHECKING:
        # Each subclass takes the parameters of its own route, and only this signature allows that.
        def load(self, *args: Any, **parameters: Any) -> Any: ...

    else:

        def load(self) -> Any:
            """The page's data, a dict; or a Starlette response, to be sent instead of a page.
            Plain or `async`; takes the parameters of the route as arguments."""
            return {}

    # ------------------------------------------------------------ the user

    @property
    def session(self) -> dict[str, Any]:
        """What is kept for the user: JSON in a signed cookie, which the user can read."""
        return self.request.session

    @property
    def audience(self) -> str:
        """The audience of this user's jobs."""
        return self.app.visitors.owner(self.request)

    # ------------------------------------------------------------ jobs

    def queue(self, name: str) -> QueueService:
        """The provider of that name. Raises LookupError."""
        return self.app.queue(name)

    def enqueue(
        self,
        queue: str,
        item: Any,
        *,
        owner: object = None,
        topic: str | None = None,
        job_id: str | None = None,
        **options: Unpack[CommonOptions],
    ) -> Json:
        """Accept a job; the answer has `accepted`, `job_id`, `job`, `queue` and `message`.

        The item of a task is what its `args` returns: `self.queue("mail").welcome.args(7)`.

        If the queue is full, `accepted` is False. The job belongs to the user who
        makes the request; or to `owner`, the id of a user as `App(identify=)`
        returns it; or to everyone who follows `topic` (see `App(topics=)`).
        The others are those of `QueueService.enqueue`. A `job_id` of another
        user's job raises JobExists, and so does a `unique` key that such a job
        holds: add the user to the key, if each may have a job. If the user's
        own job is there already, `existing` is True in the answer. A `label` may
        be any text: it becomes one line of at most 200 characters.
        """
        if owner is not None and topic is not None:
            raise TypeError("enqueue: expected owner= or topic=, got both")
        if topic is not None:
            audience = topic_audience(topic)
        else:
            audience = owner_audience(owner) or self.audience
        service = self.queue(queue)
        label = options.get("label")
        if isinstance(label, str):
            options["label"] = one_line(label)
        try:
            if isinstance(item, TaskCall):
                job = enqueue_call(service, item, job_id, audience=audience, **options)
            else:
                job = service.enqueue(item, job_id=job_id, audience=audience, **options)
        except QueueFull:
            return answer(
                service.name, None, accepted=False, message="The queue is full: try again later"
            )
        if job.audience != audience and job.audience not in self._audiences():
            raise JobExists(job.id, job.queue)  # it was there before, and is somebody else's
        return answer(service.name, job)

    def job_status(self, queue: str, job_id: str) -> Json:
        """A job of this user, in the shape of `enqueue`'s answer. Raises JobNotFound, also for
        the jobs of other users."""
        service = self.queue(queue)
        return answer(service.name, self._mine(service, job_id))

    def request_job_cancel(self, queue: str, job_id: str) -> Json:
        """Cancel a job of this user; in the answer, `accepted` is False if it had already ended.

        Otherwise like `job_status`.
        """
        service = self.queue(queue)
        before = self._mine(service, job_id)
        after = service.cancel(before.id)
        taken = after.cancel_requested
        return answer(
            service.name,
            after,
            accepted=taken,
            message=None if taken else f"Too late: it is {after.status}",
        )

    def jobs(self, queue: str, *, limit: int = 50) -> list[Json]:
        """The newest jobs of this user, in the shape that answers have."""
        return [
            job_json(job) for job in self.queue(queue).jobs(audience=self.audience, limit=limit)
        ]

    def _mine(self, service: QueueService, job_id: str) -> Job:
        job = service.get(job_id)
        if job.audience not in self._audiences():
            raise JobNotFound(job_id, service.name)
        return job

    def _audiences(self) -> frozenset[str]:
        return self.app.visitors.audiences(self.request)


def one_line(text: str) -> str | None:
    """A text that a queue takes as a label: what cannot be printed becomes a space, and one that
    is too long is cut. None for one in which there is nothing to read."""
    readable = "".join(letter if letter.isprintable() else " " for letter in text)
    label = " ".join(readable.split())
    if len(label) > _LABEL:
        label = f"{label[: _LABEL - 1].rstrip()}…"
    return label or None
