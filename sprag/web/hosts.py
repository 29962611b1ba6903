"""The host names that the application answers to."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Collection
from typing import Any, Final

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from ..http.addresses import host_name, is_loopback
from ..queue.operators import Log
from .errors import StartupError

log: Final = Log("sprag.web", here_always=True)

_NAME: Final = re.compile(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*\.?|\[[0-9a-f:.]+\]", re.ASCII)
_POLICY: Final = 1008


class Hosts:
    """Refuses requests to other names than the application's.

    Anyone can let a name of theirs point to this machine ("DNS rebinding"), and
    a browser on it then lets their page read whatever is served here. So without
    `allowed`, a request that comes from this machine itself must name it
    (localhost or an IP address). With `allowed`, every request must name one of
    these, or come from this machine and name it. "*.example.org" is every name
    below example.org, "*" any name.
    """

    def __init__(self, allowed: Collection[Any] | None = None) -> None:
        if isinstance(allowed, str | bytes) or not isinstance(allowed, Collection | None):
            raise StartupError(f"App: hosts: expected a list of host names, got {allowed!r}")
        for host in allowed or ():
            if not isinstance(host, str) or not _NAME.fullmatch(host.lower()):
                raise StartupError(
                    "App: hosts: expected host names such as example.org or *.example.org, "
                    f"without a scheme or port, got {host!r}"
                )
        self._allowed = (
            None if allowed is None else frozenset(host.lower().rstrip(".") for host in allowed)
        )
        self._warned = False

    def refuses(self, scope: Scope) -> bool:
        """True if a request is made to a name that is not the application's."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        name = host_name(hosts[0].decode("latin-1")).rstrip(".") if len(hosts) == 1 else ""
        client = scope.get("client")
        local = client is not None and _is_local(str(client[0]))
        if local and (_is_here(name) or not hosts):
            return False
        if self._allowed is None:
            refused = local
        else:
            refused = not self._names(name)
        if refused and not self._warned:
            self._warned = True
            log.warning(
                "refused a request to the host %r: %s. If this is a name of this site, write "
                "App(hosts=[%r]). Further ones are not logged",
                name[:100],
                "it came from this machine, but not to one of its own names"
                if self._allowed is None
                else "App(hosts=) does not have this name",
                name[:100],
            )
        return refused

    def _names(self, name: str) -> bool:
        allowed = self._allowed or frozenset()
        if "*" in allowed or (name and name in allowed):
            return True
        _, dot, rest = name.partition(".")
        while dot:
            if f"*.{rest}" in allowed:
                return True
            _, dot, rest = rest.partition(".")
        return False


async def refuse_host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request to a name that is not the application's."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": _POLICY})
        return
    answer = PlainTextResponse(
        "This server does not answer to the host name of this request.\n"
        "If you run this server, add the name to App(hosts=[...]).\n",
        400,
        {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
    )
    await answer(scope, receive, send)


# Every request asks this, for few different names.
_is_local: Final = functools.lru_cache(1024)(is_loopback)


@functools.lru_cache(1024)
def _is_here(name: str) -> bool:
    """True if a host name cannot be made to point here by someone else."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
