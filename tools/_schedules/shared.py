"""Objects that threads share, made to say when a step looks at them or changes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final

from .primitives import run
from .scheduler import READ, WRITE

_MUTABLE: Final = frozenset([list, dict, set, deque])
_look: Final = object.__getattribute__
_WITHOUT_LOCK: Final = ("running", "_jobs")
"""The tables that several threads use without a lock."""


class Shared:
    """Tells of its attributes. `racy` are those that are used without a lock: before each use,
    someone else may go on."""

    racy: frozenset[str] = frozenset()
    _kinds: dict[str, str]

    def __init_subclass__(cls) -> None:
        names = [n for n in dir(cls) if n.startswith("__") or type(getattr(cls, n)) is FunctionType]
        own = dict.fromkeys([*names, "racy", "_kinds", "_shared_name"], "method")
        cls._kinds = dict.fromkeys(cls.racy, "racy") | own

    def __new__(cls, *_args: Any, **_options: Any) -> Any:
        made = super().__new__(cls)
        object.__setattr__(made, "_shared_name", run().name(cls.__mro__[2].__name__))
        return made

    def __getattribute__(self, name: str) -> Any:
        kind = type(self)._kinds.get(name)
        if kind == "method":
            return _look(self, name)
        if kind == "racy":
            run().pause("look at a flag")
        value = _look(self, name)
        touched = run().touched
        if touched is not None:
            what = (_look(self, "_shared_name"), name)
            touched[what] = touched.get(what, 0) | (WRITE if type(value) in _MUTABLE else READ)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        own = _look(self, "_shared_name")
        if name in type(self).racy:
            run().pause("set a flag")
        run().touch((own, name), WRITE)
        object.__setattr__(self, name, Table(own, name, value) if type(value) is dict else value)


class Table(dict[Any, Any]):
    """A dict whose entries are told apart; who goes through it looks at all."""

    def __init__(self, owner: str, name: str, value: dict[Any, Any]) -> None:
        super().__init__(value)
        self._name = (owner, name)

    def _entry(self, key: object, how: int, label: str) -> None:
        self._pause(label)
        run().touch((self._name, key), how)
        run().touch(self._name, READ)

    def _pause(self, label: str) -> None:
        if self._name[1] in _WITHOUT_LOCK:
            run().pause(label)

    def _all(self, label: str) -> None:
        self._pause(label)
        run().touch(self._name, WRITE)

    def get(self, key: Any, default: Any = None) -> Any:
        value = dict.get(self, key, default)
        self._entry(key, WRITE if type(value) in _MUTABLE else READ, "look up")
        return dict.get(self, key, default)

    def __getitem__(self, key: Any) -> Any:
        self._entry(key, WRITE, "look up")
        return dict.__getitem__(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._entry(key, WRITE, "enter")
        dict.__setitem__(self, key, value)

    def __delitem__(self, key: Any) -> None:
        self._entry(key, WRITE, "take out of")
        dict.__delitem__(self, key)

    def pop(self, key: Any, default: Any = None) -> Any:
        self._entry(key, WRITE, "take out of")
        return dict.pop(self, key, default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._entry(key, WRITE, "enter")
        return dict.setdefault(self, key, default)

    def __contains__(self, key: object) -> bool:
        self._entry(key, READ, "look up")
        return dict.__contains__(self, key)

    def values(self) -> Any:
        self._all("look through")
        return dict.values(self)

    def items(self) -> Any:
        self._all("look through")
        return dict.items(self)

    def __len__(self) -> int:
        self._all("look through")
        return dict.__len__(self)

    def __iter__(self) -> Iterator[Any]:
        self._all("look through")
        return dict.__iter__(self)
