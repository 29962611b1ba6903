"""The endpoint of actions: from a request to an answer, whatever it is."""

from __future__ import annotations

import functools
import inspect
import json
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
from ..queue.codec import MAX_DEPTH
from ..queue.logs import Log
from .actions import Action
from .answers import ok, refused
from .controller import Controller
from .errors import ActionError
from .guards import Origins
from .session import check_session
from .uploads import Upload
from .visitor import keep_session, session_audience

log: Final = Log("sprag.web", here_always=True)

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
    ) -> None:
        self._endpoints = endpoints
        self._origins = origins
        self._limits = limits
        self._threads = threads
        self._defer = defer

    async def __call__(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except ActionError as error:
            return refused(error, {"Allow": "POST"} if error.status == 405 else None)
        except queue_errors.JobNotFound:
            return refused(ActionError("There is no such job", status=404, type="unknown_job"))
        except queue_errors.JobExists:
            return refused(ActionError("This job id is taken", status=409, type="job_exists"))
        except queue_errors.PayloadTooLarge as error:
            message = f"Too large: at most {error.limit:,} bytes can be stored"
            return refused(ActionError(message, status=413, type="too_large"))
        except queue_errors.PayloadError as error:
            return refused(ActionError(str(error), type="invalid_payload"))
        except (queue_errors.DatabaseError, queue_errors.QueueClosed):
            log.exception("an action could not be carried out: %s", request.url.path)
            return refused(
                ActionError("Not now: try again soon", status=503, type="unavailable"),
                {"Retry-After": "5"},
            )
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # the author's code
            log.exception("an action failed: %s", request.url.path)
            return refused(
                ActionError("Something went wrong on the server", status=500, type="internal")
            )

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            raise ActionError("An action is called by POST", status=405, type="method_not_allowed")
        if self._origins.refuses(request):
            raise ActionError("Only this site's pages may do that", status=403, type="forbidden")
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


def _encoded(action: Action, value: Any) -> Response:
    try:
        return ok(value)
    except ValueError as error:
        raise TypeError(f"action {action.name!r} returned what is no JSON: {error}") from error


def _validated(action: Action, payload: dict[str, Any]) -> dict[str, Any]:
    if action.schema is not None:
        return action.schema.validate(payload)
    if payload:
        fields = [
            {"field": name, "type": "extra_forbidden", "message": "The action takes no such field"}
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
        except (HTTPException, FormParserError) as error:  # older Starlettes pass on the latter
            said = getattr(error, "detail", "The form is broken")
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
                'In a form with files, all else is JSON in the part "payload"', type="invalid_form"
            )
    for name, part in parts:
        if name == "payload" and isinstance(part, str):
            found = {**_object(part.encode()), **found}
    return found


def _bounded(request: Request, most: int) -> Receive:
    """What receives the request's body, and refuses more than `most` bytes of it."""
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
        # Decoded here: of bytes json takes other encodings too, and surrogates in what is no UTF-8.
        found = json.loads(text.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        said = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ActionError(f"The body is no JSON: {said}", type="invalid_json") from None
    if not isinstance(found, dict):
        raise ActionError("The body is no JSON object", type="invalid_json")
    # Both looked for in the bytes first, where nearly all bodies show that they are harmless.
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _deeper(found, MAX_DEPTH):
        raise ActionError(f"The body is nested more than {MAX_DEPTH} deep", type="invalid_json")
    if b"\\u" in text and _has_surrogate(found):
        raise ActionError("The body has a lone surrogate, which is no text", type="invalid_json")
    return found


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
    raise ValueError(f"{name} is no JSON")
