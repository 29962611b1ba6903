"""The pages without their data, which scripts fill in."""

from __future__ import annotations

from typing import Final, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..queue import STATUSES
from ..queue.operators import is_job_id
from .answers import base_of, path_of
from .files import ASSETS

_templates: Final = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


class HasToken(Protocol):
    """Knows whether people sign in, and so may sign out."""

    @property
    def has_token(self) -> bool: ...


class Pages:
    """The endpoints of pages."""

    def __init__(self, door: HasToken) -> None:
        self._door = door

    def overview(self, request: Request) -> Response:
        return self._page(request, "overview.html")

    def jobs(self, request: Request) -> Response:
        return self._page(request, "jobs.html")

    def job(self, request: Request) -> Response:
        id_ = request.path_params["id"]
        if not is_job_id(id_):
            raise HTTPException(404)
        return self._page(request, "job.html", id=id_)

    def sign_in(
        self, request: Request, status: int, problem: str = "", page: str | None = None
    ) -> Response:
        """Return the page that asks for the token and then leads to `page`, by default the one
        that was asked for."""
        if page is None:
            query = request.url.query
            page = path_of(request.scope).strip("/") + (f"?{query}" if query else "")
        linked = "linked" if request.headers.get("sec-fetch-site") == "cross-site" else ""
        return self._page(
            request, "sign_in.html", status, problem=problem, next=page, linked=linked
        )

    def _page(self, request: Request, name: str, status: int = 200, **context: str) -> Response:
        text = _templates.get_template(name).render(
            base=base_of(request.scope), url=ASSETS.url, statuses=STATUSES,
            signed_in=self._door.has_token, **context,
        )  # fmt: skip
        return HTMLResponse(text, status)
