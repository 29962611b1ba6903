"""What a site signs with: its secret, and the cookie that is named after it."""

from __future__ import annotations

from .secret import check_secret, cookie_name, secret_of
from .session import Cookie


class Keys:
    """The secret that the application was given, or else that of its database, read at the first
    use. Raises StartupError if it can neither be read nor be made, or if the given one is short."""

    def __init__(self, database: str, given: str | None) -> None:
        self._database = database
        self._secret = None if given is None else check_secret(given)
        self._cookie: Cookie | None = None

    def secret(self) -> str:
        if self._secret is None:
            self._secret = secret_of(self._database)
        return self._secret

    def cookie(self) -> Cookie:
        """The cookie that keeps sessions."""
        if self._cookie is None:
            secret = self.secret()
            self._cookie = Cookie(cookie_name(self._database, secret), secret)
        return self._cookie
