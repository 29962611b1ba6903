"""The secret that signs cookies, and the name of a site's cookie: both outlive a deploy."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ..queue.operators import Folder, Log, adapt, database_of, sync, sync_folder
from .errors import StartupError

log: Final = Log("sprag.web", here_always=True)

SECRET_VARIABLE: Final = "SPRAG_SECRET"
_SHORTEST: Final = 16
_SITE: Final = re.compile(r"[0-9a-f]{32}")


def check_secret(secret: Any) -> str:
    """The secret, if it is long enough. Raises StartupError."""
    if not isinstance(secret, str) or len(secret) < _SHORTEST:
        raise StartupError(
            f"App: secret: expected a text of at least {_SHORTEST} characters that nobody can "
            "guess, got a shorter one or none; make one with "
            "`python3 -c 'import secrets; print(secrets.token_urlsafe())'`"
        )
    return secret


def secret_of(database: str) -> str:
    """The secret of the environment, or else the one beside the database, made at first use.

    Raises StartupError if it can neither be read nor be made.
    """
    told = os.environ.get(SECRET_VARIABLE)
    if told is not None:
        return check_secret(told)
    file = _folder(database) / "secret"
    try:
        text = _kept(file, 0o600, _is_secret, secrets.token_urlsafe)
        if file.stat().st_mode & 0o007:
            log.warning(
                "%s signs the cookies of all users, and anyone on this machine can read or change "
                "it: run `chmod 600 %s`",
                file,
                file,
            )
    except OSError as error:
        raise StartupError(
            f"App: the secret that signs cookies could not be read from {file} or stored there "
            f"({error.strerror}): give this process (user {os.geteuid()}) access, or set "
            f"{SECRET_VARIABLE} in the environment, the same for all processes of the site"
        ) from error
    return text


def cookie_name(database: str, secret: str) -> str:
    """The name of the session cookie: its own for each database and secret, since browsers send
    the cookies of a host to all its ports, and the same in every process and after every deploy.

    Raises StartupError if the site's id can neither be read nor be stored.
    """
    file = _folder(database) / "site"
    try:
        site = _kept(
            file, 0o644, lambda text: bool(_SITE.fullmatch(text)), lambda: secrets.token_hex(16)
        )
    except OSError as error:
        raise StartupError(
            f"App: the site's id, which names its cookies, could not be read from {file} or "
            f"stored there ({error.strerror}): give this process (user {os.geteuid()}) access"
        ) from error
    digest = hashlib.sha256(f"sprag.cookie {site} {secret}".encode()).hexdigest()
    return f"sprag_session_{digest[:8]}"


def _is_secret(text: str) -> bool:
    return len(text) >= _SHORTEST and text.isascii() and text.isprintable()


def _folder(database: str) -> Path:
    """The folder beside the real database file: a link to it may change with each deploy."""
    return Path(f"{os.path.realpath(database)}-sprag")


def _kept(file: Path, mode: int, fits: Callable[[str], bool], make: Callable[[], str]) -> str:
    """The text of a file, made at first use, and again if what is there does not fit."""
    text = _text(file)
    if text is not None and fits(text):
        return text
    with _alone(file.parent):
        text = _text(file)
        if text is not None and fits(text):
            return text  # another process has made it meanwhile
        if text is not None:
            log.warning(
                "%s was empty or damaged and has been replaced: all users start with a new session",
                file,
            )
        text = make()
        # Complete or not there at all, also after a power loss.
        draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "w", encoding="ascii") as writing:
                os.fchmod(descriptor, mode)  # whatever the umask
                writing.write(text)
                writing.flush()
                sync(descriptor)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(file.parent)
        return text


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A block that only one process enters at a time, and in which nobody removes the folder."""
    # Not a lock on the folder itself: every process that runs jobs shares that one.
    held = Folder(folder)
    try:
        lock = folder / "site.lock"
        descriptor = os.open(lock, os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            adapt(descriptor, database_of(folder))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            # A process that waited for the lock, or makes the lock file anew, finds the text there.
            lock.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    finally:
        held.close()
