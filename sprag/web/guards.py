"""What pages may load, and which requests of other sites are refused."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from starlette.requests import HTTPConnection

from .errors import StartupError

_PORTS: Final = {"http": 80, "https": 443}
_ORIGIN: Final = re.compile(
    r"(https?)://([\w.-]+|\[[\da-f:.]+\])(?::(\d{1,5}))?", re.ASCII
)  # fmt: skip


def page_policy(*, python: bool) -> str:
    """The Content-Security-Policy of a page. Python in the browser is compiled there, which needs
    'unsafe-eval'; other pages do without."""
    scripts = "'self' 'unsafe-eval'" if python else "'self'"
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


class Origins:
    """Which sites may send requests: the application's own, and those in `allowed`, such as
    "https://example.org"."""

    def __init__(self, allowed: Collection[Any] = ()) -> None:
        if isinstance(allowed, str):
            raise StartupError(f"App: origins: expected a list of origins, got {allowed!r}")
        for origin in allowed:
            if not isinstance(origin, str) or _parts(origin) is None:
                raise StartupError(
                    f"App: origins: expected an origin such as https://example.org, got {origin!r}"
                )
        self._allowed = frozenset(origin.lower() for origin in allowed)

    def refuses(self, connection: HTTPConnection) -> bool:
        """True if a browser says that another site's page makes this request.

        Programs other than browsers say nothing; they do not have a user's cookies either.
        """
        headers = connection.headers
        origin = headers.get("origin")
        if origin is not None:
            if origin.lower() in self._allowed:
                return False
            if not _same(origin, headers.get("host", "")):
                return True
        # A browser sets this header itself, also when it leaves out the origin.
        return headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def _same(origin: str, host: str) -> bool:
    """True if an origin is the host that the request was made to. The scheme may differ: a proxy
    in front may have ended the encryption."""
    theirs = _parts(origin)
    return theirs is not None and theirs == _parts(f"{theirs[0]}://{host}")


def _parts(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin as browsers write it; None for anything else."""
    found = _ORIGIN.fullmatch(origin.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    return scheme, host, int(port or _PORTS[scheme])
