"""The system calls of SQLite's own VFS, each of which can be made to fail. Linux on x86-64 alone:
elsewhere a function of variable arguments cannot be called as if it had a fixed number of them."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import platform
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import apsw

from .trigger import Trigger

POSSIBLE: Final = sys.platform == "linux" and platform.machine() == "x86_64"

FLAVOURS: Final[dict[str, tuple[str, ...]]] = {
    "open": ("EACCES", "EMFILE", "ENOSPC", "EIO", "EINTR"),
    "fstat": ("EIO",),
    "ftruncate": ("EIO", "ENOSPC"),
    "fcntl": ("EAGAIN", "ENOLCK", "EIO", "EINTR"),
    "pread64": ("EIO", "EINTR"),
    "pwrite64": ("EIO", "ENOSPC", "EINTR", "short"),
    "unlink": ("EIO", "EACCES"),
    "mmap": ("ENOMEM", "EACCES"),
    "openDirectory": ("EMFILE", "EIO"),
    "close": ("EIO",),
}
"""How each call can fail: with an errno, or "short", with a part of what was to be written."""


def passes(name: str, flavour: str) -> bool:
    """Whether this cannot last: SQLite meets it by trying again, at once and without an end, or,
    with the locks of a WAL, for ten seconds each time."""
    return flavour in ("EINTR", "short") or name == "fcntl"


_INT, _LONG, _POINTER = ctypes.c_int, ctypes.c_ssize_t, ctypes.c_void_p
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "open": (_INT, ctypes.c_char_p, _INT, _INT),
    "fstat": (_INT, _INT, _POINTER),
    "ftruncate": (_INT, _INT, _LONG),
    "fcntl": (_INT, _INT, _INT, _POINTER),
    "pread64": (_LONG, _INT, _POINTER, ctypes.c_size_t, _LONG),
    "pwrite64": (_LONG, _INT, _POINTER, ctypes.c_size_t, _LONG),
    "unlink": (_INT, ctypes.c_char_p),
    # Its result is a number here: None is what a c_void_p of 0 would be.
    "mmap": (_LONG, _POINTER, ctypes.c_size_t, _INT, _INT, _INT, _LONG),
    "openDirectory": (_INT, ctypes.c_char_p, _POINTER),
    "close": (_INT, _INT),
}


class SystemCalls:
    """While this is entered, `trigger` says which calls fail, `flavour` how; for the whole process.

    Every file that SQLite opens in it is concerned: use a process of its own.
    """

    def __init__(self) -> None:
        self.trigger = Trigger()
        self.flavour = "EIO"
        self.vfs: str | None = None
        """What a queue that is concerned names: the system's own VFS."""
        self._vfs = apsw.VFS("sprag-system-calls", base="")
        self._kept: list[Any] = []

    def __enter__(self) -> Self:
        for name, signature in _SIGNATURES.items():
            pointer = self._vfs.xGetSystemCall(name)
            if pointer is None:
                raise RuntimeError(f"SQLite has no system call {name}")
            kind = ctypes.CFUNCTYPE(*signature, use_errno=True)
            ours = kind(self._wrapped(name, kind(pointer)))
            self._kept.append(ours)
            self._vfs.xSetSystemCall(name, ctypes.cast(ours, _POINTER).value or 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in _SIGNATURES:
            self._vfs.xSetSystemCall(name, 0)
        self._vfs.unregister()
        self._kept.clear()

    def _wrapped(self, name: str, call: Callable[..., int]) -> Callable[..., int]:
        def wrapped(*arguments: Any) -> int:
            if not _may_fail(name, arguments) or not self.trigger.fires(f"system {name}"):
                return call(*arguments)
            if name == "close":
                # Linux closes the file whatever it answers.
                call(*arguments)
            flavour = self.flavour if self.flavour in FLAVOURS[name] else FLAVOURS[name][0]
            if flavour == "short":
                file, data, amount, offset = arguments
                return call(file, data, amount // 2, offset) if amount > 1 else 0
            # Behind the original's answer: it would be overwritten by that.
            ctypes.set_errno(getattr(errno, flavour))
            return -1

        return wrapped


def _may_fail(name: str, arguments: tuple[Any, ...]) -> bool:
    if name != "fcntl":
        return True
    _file, command, lock = arguments
    if command not in (fcntl.F_SETLK, fcntl.F_SETLKW) or not lock:
        return False
    return ctypes.c_short.from_address(lock).value != fcntl.F_UNLCK
