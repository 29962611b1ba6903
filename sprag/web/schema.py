"""`Schema` and `Field`: what an action accepts. Validation and coercion are pydantic's."""

from __future__ import annotations

import copy
import keyword
from collections.abc import Collection, Mapping
from types import UnionType
from typing import Annotated, Any, Final, NotRequired, Union, get_args, get_origin

import pydantic
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import SchemaError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from .errors import ActionError, StartupError
from .uploads import Upload

_MOST_ERRORS: Final = 50
_MOST_READ: Final = 1_000
_MOST_SAID: Final = 3


class Field:
    """One field of a schema.

    `type_` is any type that pydantic knows, or `Upload` for a file. A field that
    is not required has its `default` if it is missing. `min` and `max` limit a
    number, `min_length` and `max_length` a text or list, `pattern` (a regular
    expression, searched) a text; `choices` are the only values allowed.
    """

    def __init__(
        self,
        type_: Any = str,
        *,
        required: bool = False,
        default: Any = None,
        min: float | None = None,  # noqa: A002 - the plain words
        max: float | None = None,  # noqa: A002
        min_length: int | None = None,
        max_length: int | None = None,
        pattern: str | None = None,
        choices: Collection[Any] | None = None,
        description: str | None = None,
    ) -> None:
        if required and default is not None:
            raise StartupError("Field: expected required=True or a default, got both")
        bounds = {
            "min": min, "max": max, "min_length": min_length, "max_length": max_length,
            "pattern": pattern,
        }  # fmt: skip
        for bound, value in bounds.items():
            if value is not None and not _fits(bound, type_):
                raise StartupError(f"Field: {bound} bounds no {type_!r}")
        self.type = type_
        self.required = required
        self.default = default
        self.choices: tuple[Any, ...] | None = None if choices is None else tuple(choices)
        self.description = description
        self._bounds: dict[str, Any] = {
            "ge": min, "le": max, "min_length": min_length, "max_length": max_length,
            "pattern": pattern, "description": description,
        }  # fmt: skip

    def annotation(self) -> Any:
        """The field as pydantic takes it."""
        known = {name: value for name, value in self._bounds.items() if value is not None}
        parts: list[Any] = [pydantic.Field(**known)] if known else []
        if self.choices is not None:
            parts.append(pydantic.AfterValidator(self._choose))
        kind = Annotated[self.type, *parts] if parts else self.type
        if not self.required and self.default is None:
            kind = kind | None
        return kind

    def _choose(self, value: Any) -> Any:
        if self.choices is not None and value not in self.choices:
            raise ValueError("expected one of " + ", ".join(map(str, self.choices)))
        return value


class Schema:
    """A named set of fields, as in `Schema("resize", {"width": Field(int, required=True)})`.

    Unknown fields are refused. Raises StartupError for a field that cannot work.
    """

    def __init__(self, name: str, fields: Mapping[Any, Any]) -> None:
        if not name or not isinstance(name, str):
            raise StartupError(f"Schema: expected a name, got {name!r}")
        for key, field in fields.items():
            if not isinstance(key, str) or not key.isidentifier() or keyword.iskeyword(key):
                raise StartupError(
                    f"Schema {name!r}: a field's name is that of an argument of the action, "
                    f"expected an identifier, got {key!r}"
                )
            if not isinstance(field, Field):
                raise StartupError(
                    f"Schema {name!r}: {key}: expected a Field, as in Field(str), got {field!r}"
                )
        self.name = name
        self.fields: dict[str, Field] = dict(fields)
        self._adapter = self._build()

    def validate(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload, converted, with the defaults of missing fields. Raises ActionError, which
        says what is wrong with each field."""
        given = dict(payload)
        for name, field in self.fields.items():
            # A form cannot say that its one file is a list.
            if isinstance(given.get(name), Upload) and _takes_several(field.type):
                given[name] = [given[name]]
        try:
            found: dict[str, Any] = self._adapter.validate_python(given)
        except ValidationError as error:
            raise _refusal(error) from None
        except TypeError:  # the type is Any, so the bound cannot be checked against it
            raise ActionError("The payload is not valid", type="invalid_payload") from None
        for name, field in self.fields.items():
            if name not in found:
                found[name] = copy.deepcopy(field.default)
        return found

    def _build(self) -> TypeAdapter[Any]:
        kinds: dict[str, Any] = {}
        for key, field in self.fields.items():
            try:
                kind = field.annotation()
                TypeAdapter(kind)
            except (TypeError, SchemaError, pydantic.PydanticUserError,
                    pydantic.PydanticSchemaGenerationError,
                    pydantic.PydanticUndefinedAnnotation) as error:  # fmt: skip
                said = " ".join(str(error).split())
                raise StartupError(
                    f"Schema {self.name!r}: {key}: {field.type!r} cannot be validated: {said}"
                ) from error
            kinds[key] = kind if field.required else NotRequired[kind]
        shape: Any = TypedDict("Payload", kinds)  # type: ignore[misc]  # made at run time
        setattr(shape, "__pydantic_config__", ConfigDict(extra="forbid"))  # noqa: B010 - mypy
        return TypeAdapter(shape)


def _fits(bound: str, kind: Any) -> bool:
    """True if a bound fits this type, as far as that is known."""
    kind = get_origin(kind) or kind
    if not isinstance(kind, type) or kind is object:
        return True
    if bound == "pattern":
        return issubclass(kind, str)
    sized = hasattr(kind, "__len__")
    return sized == bound.endswith("length")


def _takes_several(kind: Any) -> bool:
    outer = get_origin(kind) or kind
    if outer in (Union, UnionType, Annotated):
        return any(map(_takes_several, get_args(kind)))
    return outer in (list, tuple, set, frozenset)


def _refusal(error: ValidationError) -> ActionError:
    count = error.error_count()
    if count > _MOST_READ:
        # pydantic reports all errors or none, and takes seconds for as many as one call may have.
        return ActionError(f"Not valid: {count:,} mistakes", type="invalid_payload")
    found = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [
        {
            "field": ".".join(map(str, one["loc"])),
            "type": one["type"],
            "message": _words(one["type"], one["msg"]),
        }
        for one in found[:_MOST_ERRORS]
    ]
    reasons = "; ".join(f"{field['field']}: {field['message']}" for field in fields[:_MOST_SAID])
    if len(found) > _MOST_SAID:
        reasons += f"; and {len(found) - _MOST_SAID} more"
    return ActionError(f"Not valid: {reasons}", type="invalid_payload", fields=fields)


def _words(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "The action has no such field"
    return message.removeprefix("Value error, ")
