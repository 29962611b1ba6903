"""The endpoint of actions: from a request to its answer, whatever goes wrong."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

import anyio.to_thread
from anyio import CapacityLimiter
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive

from ..queue import errors as queue_errors
from ..queue.payload.codec import MAX_DEPTH, TOO_DEEP
from ..queue.threads.logs import Log
from .actions import Action
from .answers import ok, refused
from .controller import Controller
from .errors import ActionError
from .guards import Origins
from .session import check_session
from .trouble import is_author
from .uploads import Upload
from .visitor import keep_session, session_audience

log: Final = Log("sprag.web", here_always=True)

_UNAVAILABLE: Final = (queue_errors.DatabaseError, queue_errors.QueueClosed)
_OPTION: Final = re.compile(r"([a-z_]+): (expected .*)", re.DOTALL)
_MOST_FILES: Final = 100
_MOST_FIELDS: Final = 10


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An action, and how to make the controller that has it."""

    action: Action
    make: Callable[[Request], Controller]


@dataclass(frozen=True, slots=True)
class Limits:
    """The most a call may send, in bytes: without files, and with them."""

    body: int
    upload: int


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
        elif isinstance(error, queue_errors.ConfigurationError):
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
        async with _payload(request, self._limits) as payload:
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
        case queue_errors.JobNotFound():
            return ActionError("There is no such job", status=404, type="unknown_job")
        case queue_errors.JobExists():
            return ActionError("Another job has this id", status=409, type="job_exists")
        case queue_errors.IllegalMove():
            message = f"This job is {error.status}, so it was not changed"
            return ActionError(message, status=409, type="illegal_move")
        case queue_errors.PayloadTooLarge():
            message = f"Too large: at most {error.limit:,} bytes can be stored"
            return ActionError(message, status=413, type="too_large")
        case queue_errors.PayloadError():
            return ActionError(str(error), type="invalid_payload")
        case queue_errors.QueueFull():
            message = "The queue is full: try again later"
            return ActionError(message, status=503, type="queue_full")
        case queue_errors.DatabaseError() | queue_errors.QueueClosed():
            return ActionError(
                "Temporarily unavailable. Try again soon", status=503, type="unavailable"
            )
        case _:
            return None


def _wrong_option(error: Exception) -> ActionError | None:
    """The answer if an option of `enqueue` or the like was wrong, such as a priority, which the
    user has usually chosen; None for any other error."""
    found = _OPTION.match(str(error)) if type(error) is queue_errors.ConfigurationError else None
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


@asynccontextmanager
async def _payload(request: Request, limits: Limits) -> AsyncIterator[dict[str, Any]]:
    """The fields that were sent. Files are there until the block ends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        bounded = Request(request.scope, _bounded(request, limits.body))
        yield _object(await bounded.body())
    elif kind == "multipart/form-data":
        _check_charset(request)
        bounded = Request(request.scope, _bounded(request, limits.upload))
        try:
            form = await bounded.form(
                max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=limits.body
            )
        except (HTTPException, FormParserError) as error:  # the latter: from older Starlettes
            said = getattr(error, "detail", "The form is not valid")
            raise ActionError(said, type="invalid_form") from error
        try:
            yield _fields(form.multi_items())
        finally:
            await form.close()
    else:
        raise ActionError(
            "Expected application/json, or multipart/form-data with files",
            status=415,
            type="unsupported_media_type",
        )


def _check_charset(request: Request) -> None:
    """Raise ActionError for a form that says it is not UTF-8, as no browser does. Starlette decodes
    it by whichever of Python's codecs it names, and punycode takes a minute for a megabyte."""
    charset = parse_options_header(request.headers["content-type"])[1].get(b"charset", b"utf-8")
    if charset.lower() != b"utf-8":
        raise ActionError("Expected a form in UTF-8", type="invalid_form")


def _fields(parts: list[tuple[str, UploadFile | str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in parts:
        if isinstance(part, UploadFile):
            upload = Upload(
                part.filename or "", part.size or 0, part.content_type or "",
                cast(Any, part.file),
            )  # fmt: skip
            if name not in found:
                found[name] = upload
            elif isinstance(found[name], list):
                found[name].append(upload)
            else:
                found[name] = [found[name], upload]
        elif name != "payload":
            raise ActionError(
                'In a form with files, all other fields are JSON in the part "payload"',
                type="invalid_form",
            )
    for name, part in parts:
        if name == "payload" and isinstance(part, str):
            found = {**_object(part.encode()), **found}
    return found


def _bounded(request: Request, most: int) -> Receive:
    """A `receive` that refuses a request body of more than `most` bytes."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and len(said) < 20 and int(said) > most:
        _too_large(most)
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > most:
            _too_large(most)
        return message

    return receive


def _too_large(most: int) -> NoReturn:
    raise ActionError(f"Too large: expected at most {most:,} bytes", status=413, type="too_large")


def _object(text: bytes) -> dict[str, Any]:
    try:
        # Decoded here: json would accept bytes in other encodings, and lone surrogates.
        found = json.loads(text.decode(), parse_constant=_no_constant)
    except ValueError as error:
        raise ActionError(f"The body is not valid JSON: {error}", type="invalid_json") from None
    except RecursionError:
        _too_deep()
    if not isinstance(found, dict):
        raise ActionError("The body is not a JSON object", type="invalid_json")
    # The bytes are searched for both first: that clears nearly all bodies, and is fast.
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _deeper(found, MAX_DEPTH):
        _too_deep()
    if b"\\u" in text and _has_surrogate(found):
        raise ActionError(
            "The body has a lone surrogate, which is not valid text", type="invalid_json"
        )
    return found


def _too_deep() -> NoReturn:
    raise ActionError(f"The body has {TOO_DEEP}", type="invalid_json")


def _deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _has_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")
