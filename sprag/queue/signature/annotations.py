"""The annotations of functions and classes, as far as they can be evaluated."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final, get_type_hints

# Names that cannot be found, where annotations are evaluated when they are asked for.
_UNFOUND: Final[Any] = (
    importlib.import_module("annotationlib").Format.FORWARDREF
    if sys.version_info >= (3, 14)
    else None
)


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function. Its annotations may be names that cannot be found."""
    if _UNFOUND is None:
        return inspect.signature(function)
    look: Any = inspect.signature
    found: inspect.Signature = look(function, annotation_format=_UNFOUND)
    return found


def evaluated(
    annotations: Mapping[str, Any], scope: dict[str, Any], inner: Mapping[str, Any]
) -> dict[str, Any]:
    """The annotations whose names can be found, in `inner` or else in `scope`. A name may be
    missing because it is imported only for type checkers."""
    found = {}
    for name, annotation in annotations.items():
        holder: Any = SimpleNamespace(__annotations__={name: annotation})
        try:
            found.update(get_type_hints(holder, scope, dict(inner), include_extras=True))
        except Exception:  # noqa: BLE001  # an annotation may be any expression
            continue
    return found


def of_class(kind: type) -> dict[str, Any]:
    """The annotations of a class and its bases, as far as they can be evaluated."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        scope = vars(sys.modules.get(base.__module__, SimpleNamespace()))
        found.update(evaluated(_own(base), dict(scope), vars(base)))
    return found


def _own(kind: type) -> Mapping[str, Any]:
    look: Any = inspect.get_annotations
    found: Mapping[str, Any] = look(kind) if _UNFOUND is None else look(kind, format=_UNFOUND)
    return found
