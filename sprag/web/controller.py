"""`Controller`: what an application subclasses for each page and its actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from starlette.requests import Request

from ..queue import Job, QueueService
from ..queue.errors import JobExists, JobNotFound, QueueFull
from .answers import Json, answer, job_json
from .visitor import owner_audience, topic_audience

if TYPE_CHECKING:
    from .app import App

_LABEL: Final = 200


class Controller:
    """A page, its data and its actions. One is made for each request.

    `load()` gives the page's data: the names of its template, and the state that
    its module starts with. So everything in it can be seen by the visitor.
    """

    route: ClassVar[str | None] = None
    """The page's URL, such as "/images" or "/images/{name}"; None: actions alone."""
    title: ClassVar[str] = ""
    """The page's title."""
    template: ClassVar[str | None] = None
    """The template, relative to the routes package. None: the .html file beside the module."""
    module: ClassVar[str | None] = None
    """The file that runs in the browser. None: `<name>_module.py` or `.js` beside, if there is
    one."""

    def __init__(self, app: App, request: Request) -> None:
        self.app = app
        self.request = request

    if TYPE_CHECKING:
        # Each subclass takes the parameters of its own route, which no other signature allows.
        def load(self, *args: Any, **parameters: Any) -> Any: ...

    else:

        def load(self) -> Any:
            """The page's data, a dict; or a Starlette response, to be sent instead of a page.
            Plain or `async`; takes the parameters of the route as arguments."""
            return {}

    # ------------------------------------------------------------ who asks

    @property
    def session(self) -> dict[str, Any]:
        """What is kept for the visitor: JSON in a signed cookie that the visitor can read. Assign
        its keys anew to change them."""
        return self.request.session

    @property
    def audience(self) -> str:
        """The audience that this visitor's jobs have."""
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
        **options: Any,
    ) -> Json:
        """Accept a job; the answer has `accepted`, `job_id`, `job`, `queue` and `message`.

        A full queue is `accepted` False. The job belongs to the visitor; to
        `owner`, such as a user's id, where `App(identify=)` tells who has it;
        or to all who follow `topic`, as `App(topics=)` tells. `options` are
        those of `QueueService.enqueue`; a `job_id` that is another visitor's
        raises JobExists. A `label` may be a visitor's text: it becomes one line
        of 200 characters at most.
        """
        if owner is not None and topic is not None:
            raise TypeError("enqueue: expected owner= or topic=, got both")
        if topic is not None:
            audience = topic_audience(topic)
        else:
            audience = owner_audience(owner) or self.audience
        service = self.queue(queue)
        if isinstance(options.get("label"), str):
            options["label"] = one_line(options["label"])
        try:
            job = service.enqueue(item, audience=audience, **options)
        except QueueFull:
            return answer(
                service.name, None, accepted=False, message="The queue is full: try again later"
            )
        if job.audience != audience and job.audience not in self._audiences():
            raise JobExists(job.id, job.queue)  # it was there before, and is somebody else's
        return answer(service.name, job)

    def job_status(self, queue: str, job_id: str) -> Json:
        """How a job of this visitor is, in the shape of `enqueue`'s answer. Raises JobNotFound,
        for others' jobs too."""
        service = self.queue(queue)
        return answer(service.name, self._mine(service, job_id))

    def request_job_cancel(self, queue: str, job_id: str) -> Json:
        """Cancel a job of this visitor; the answer is not `accepted` where it had ended before.

        Like `job_status`, but for that.
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
        """The visitor's newest jobs, as they are in the answers."""
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
