"""The endpoint of actions: from a request to its answer, whatever goes wrong."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from .. import queue
from ..queue.operators import Log
from .actions import Action
from .answers import ok, refused
from .controller import Controller
from .errors import ActionError
from .guards import Origins
from .payloads import Limits, payload_of
from .session import check_session
from .trouble import is_author
from .visitor import keep_session, session_audience

log: Final = Log("sprag.web", here_always=True)

_UNAVAILABLE: Final = (queue.DatabaseError, queue.QueueClosed)
_OPTION: Final = re.compile(r"([a-z_]+): (expected .*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An action, and how to make the controller that has it."""

    action: Action
    make: Callable[[Request], Controller]


class Calls:
    """Answers calls of actions. `defer` starts a deferred one and gives its task's id."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        origins: Origins,
        limits: Limits,
        threads: CapacityLimiter,
        defer: Callable[[str, str, Callable[[CapacityLimiter], Awaitable[Any]]], str],
        *,
        debug: bool = False,
    ) -> None:
        self._debug = debug
        self._endpoints = endpoints
        self._origins = origins
        self._limits = limits
        self._threads = threads
        self._defer = defer

    async def __call__(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001  # the author's code, too
            return self._refused(request, error)

    def _refused(self, request: Request, error: Exception) -> Response:
        known = _known(error) or _wrong_option(error)
        if known is None:
            log.error("an action failed: %s", request.url.path, exc_info=error)
            said = "Something went wrong on the server"
            if self._debug and is_author(request):
                said += f": {type(error).__name__}: {error} (its log has the traceback)"
            known = ActionError(said, status=500, type="internal")
        elif isinstance(error, _UNAVAILABLE):
            log.error("could not run an action: %s", request.url.path, exc_info=error)
        elif isinstance(error, queue.ConfigurationError):
            log.warning("refused a call: %s: %s", request.url.path, error)
        headers = {405: {"Allow": "POST"}, 503: {"Retry-After": "5"}}.get(known.status)
        return refused(known, headers)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            raise ActionError("Actions are called with POST", status=405, type="method_not_allowed")
        if self._origins.refuses(request):
            raise ActionError("Only pages of this site may do that", status=403, type="forbidden")
        endpoint = self._endpoints.get(request.path_params["name"])
        if endpoint is None:
            raise ActionError("There is no such action", status=404, type="unknown_action")
        async with payload_of(request, self._limits) as payload:
            arguments = _validated(endpoint.action, payload)
            keep_session(request)
            controller = endpoint.make(request)
            method = getattr(controller, endpoint.action.method)
            call = functools.partial(_run, endpoint.action, method, arguments)
            if endpoint.action.deferred:
                task = self._defer(endpoint.action.name, session_audience(request), call)
                value = {"accepted": True, "task_id": task, "action": endpoint.action.name}
                return ok(value, 202)
            value = await call(self._threads)
            check_session(request)
        return _encoded(endpoint.action, value)


async def _run(
    action: Action,
    method: Callable[..., Any],
    arguments: Mapping[str, Any],
    limiter: CapacityLimiter,
) -> Any:
    call = functools.partial(method, **arguments)
    if action.is_async:
        return await call()
    value = await anyio.to_thread.run_sync(call, limiter=limiter)
    return await value if inspect.isawaitable(value) else value


def _known(error: Exception) -> ActionError | None:
    """The answer to an error of a known kind; None for any other."""
    match error:
        case ActionError():
            return error
        case queue.JobNotFound():
            return ActionError("There is no such job", status=404, type="unknown_job")
        case queue.JobExists():
            return ActionError("There is such a job already", status=409, type="job_exists")
        case queue.IllegalMove():
            message = f"This job is {error.status}, so it was not changed"
            return ActionError(message, status=409, type="illegal_move")
        case queue.PayloadTooLarge():
            message = f"Too large: at most {error.limit:,} bytes can be stored"
            return ActionError(message, status=413, type="too_large")
        case queue.PayloadError():
            return ActionError(str(error), type="invalid_payload")
        case queue.QueueFull():
            message = "The queue is full: try again later"
            return ActionError(message, status=503, type="queue_full")
        case queue.DatabaseError() | queue.QueueClosed():
            return ActionError(
                "Temporarily unavailable. Try again soon", status=503, type="unavailable"
            )
        case _:
            return None


def _wrong_option(error: Exception) -> ActionError | None:
    """The answer if an option of `enqueue` or the like was wrong, such as a priority, which the
    user has usually chosen; None for any other error."""
    found = _OPTION.match(str(error)) if type(error) is queue.ConfigurationError else None
    if found is None:
        return None
    field = {"field": found[1], "type": "invalid", "message": found[2]}
    return ActionError(f"Not valid: {error}", type="invalid_payload", fields=[field])


def _encoded(action: Action, value: Any) -> Response:
    try:
        return ok(value)
    except ValueError as error:
        raise TypeError(
            f"action {action.name!r} returned a value that JSON cannot hold: {error}"
        ) from error


def _validated(action: Action, payload: dict[str, Any]) -> dict[str, Any]:
    if action.schema is not None:
        return action.schema.validate(payload)
    if payload:
        fields = [
            {"field": name, "type": "extra_forbidden", "message": "The action has no such field"}
            for name in payload
        ]
        raise ActionError("The action takes nothing", type="invalid_payload", fields=fields[:50])
    return {}
