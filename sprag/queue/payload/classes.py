"""Dataclasses: the names under which they are stored, and found again without importing anything,
and what their objects hold.

A class of the script that Python was started with is stored under the name by which other
processes import that script: `app:Point` after `python app.py`, never `__main__:Point`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from enum import Enum
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType
from typing import Any, Final

# The second name is that of the script in a process that multiprocessing has spawned.
_MAIN: Final = frozenset({"__main__", "__mp_main__"})


def name_of(kind: type) -> str:
    """The name of a dataclass, "module:qualified.name". Raises ValueError with the reason and the
    remedy if the class cannot be found again by it, here or in another process."""
    module = kind.__module__
    if module in _MAIN:
        script = _script()
        if script is None:
            raise ValueError(
                "it is defined in an interactive session, a notebook, a command line or the "
                "__main__.py of an archive, where no other process can find it: define it in a "
                "module, and import that"
            )
        module = script
    name = f"{module}:{kind.__qualname__}"
    try:
        again = found(name)
    except LookupError:
        again = None
    if again is kind:
        return name
    if "<locals>" in name:
        raise ValueError("it is defined inside a function: define it at the top level of a module")
    if again is not None and kind.__module__ in _MAIN:
        raise ValueError(
            f"it is defined in the script that was started, which is imported as {module} too, so "
            f"there are two such classes: use {module}.{kind.__qualname__}, or move it into a "
            "module of its own"
        )
    if again is not None:
        raise ValueError(
            f"{name} is another class by now: make the object anew from the class of that name"
        )
    raise ValueError(
        f"there is no such class under the name {name}: define it at the top level of a module, "
        "under the name that the class has"
    )


def found(name: str) -> Any:
    """The dataclass called "module:qualified.name" in the modules that are imported already;
    LookupError if there is none."""
    module, _, qualname = name.partition(":")
    owner: Any = sys.modules.get(module)
    if owner is None and module == _script():
        owner = sys.modules.get("__main__")
    for part in qualname.split("."):
        # Not getattr: that may run a module's __getattr__, which may import something.
        owner = getattr(owner, "__dict__", {}).get(part)
    if not (isinstance(owner, type) and dataclasses.is_dataclass(owner)):
        raise LookupError(name)
    return owner


@functools.cache
def takes_its_fields(kind: Any) -> bool:
    """True if a dataclass's constructor takes its fields, and nothing else, and only keeps them."""
    fields = dataclasses.fields(kind)
    if (
        hasattr(kind, "__post_init__")
        or type(kind) is not type
        or any(_is_computed(inspect.getattr_static(kind, field.name, None)) for field in fields)
    ):
        return False
    try:
        taken = inspect.signature(kind).parameters.keys()
    except (TypeError, ValueError):
        return False
    return taken == {field.name for field in fields if field.init}


def _is_computed(attribute: object) -> bool:
    """True for a property or its like, which keeps elsewhere what it is given."""
    return hasattr(type(attribute), "__set__") and not isinstance(attribute, MemberDescriptorType)


@functools.cache
def has_content(kind: type) -> bool:
    """True if objects of the class hold more than attributes, as numbers, text, enums, lists,
    exceptions and their subclasses do."""
    return issubclass(kind, Enum) or any(
        isinstance(vars(base).get("__new__"), BuiltinFunctionType)
        for base in kind.__mro__
        if base is not object
    )


def attributes_beside(value: object) -> dict[str, object]:
    """What a dataclass's object holds beside its fields, without what is computed when it is asked
    for, and Python's own."""
    kind: Any = type(value)
    names, slots = _names(kind)
    if not slots and getattr(value, "__dict__", {}).keys() <= names:
        return {}  # as nearly all
    return {
        name: own
        for name, own in attributes(value).items()
        if name not in names
        and not (name.startswith("__") and name.endswith("__"))
        and not _is_cached(kind, name)
    }


def attributes(value: object) -> dict[str, object]:
    """What an object of a dataclass holds, but for fields that are slots."""
    kind: Any = type(value)
    _, slots = _names(kind)
    held: dict[str, object] = getattr(value, "__dict__", None) or {}
    return held | {name: getattr(value, name) for name in slots if hasattr(value, name)}


@functools.cache
def _names(kind: Any) -> tuple[frozenset[str], tuple[str, ...]]:
    """The names of the fields, and of the slots beside them."""
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    names = frozenset(field.name for field in fields)
    slots = {
        name
        for base in kind.__mro__
        for name, own in vars(base).items()
        if isinstance(own, MemberDescriptorType)
    }
    return names, tuple(sorted(slots - names))


def _is_cached(kind: type, name: str) -> bool:
    """True if the class has something that computes the attribute, such as a cached_property."""
    computes = inspect.getattr_static(kind, name, None)
    return hasattr(type(computes), "__get__") and not isinstance(
        computes, FunctionType | MemberDescriptorType | staticmethod | classmethod
    )


def _script() -> str | None:
    """The name by which the script that was started can be imported; None without a script."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in _MAIN:
        return str(spec.name)  # python -m package.module
    file = getattr(main, "__file__", None)
    # The script of a folder or an archive is called __main__ everywhere, which names nothing.
    return None if file is None or Path(file).stem == "__main__" else Path(file).stem
