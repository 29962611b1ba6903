"""One entry of the reference: a signature, a docstring, and the members of a class."""

import ast
import inspect
import itertools
import re
import textwrap
import typing
from collections.abc import Callable
from typing import Any, Final

_WIDTH: Final = 88

CONSTRUCTED: Final = frozenset(
    {"ActionError", "App", "Backoff", "Cron", "Every", "Field", "QueueService", "Schema"}
)
"""The classes that an application makes instances of. It is handed those of the others."""

PARTS: Final = frozenset({"AwaitableOperations", "DeclaredQueue", "QueueOperations"})
"""The parts of `QueueService`, each in a module of its own."""

INTERNAL: Final[frozenset[str]] = frozenset(
    {
        "App.file",
        "Backoff.from_json",
        "Backoff.to_json",
        "Field.annotation",
        "Job.count",
        "Job.index",
        "JobError.from_json",
        "JobError.to_json",
        "RunningJob.interrupt",
        "RunningJob.interrupted",
        "RunningJob.report",
        "RunningJob.run",
        "Subscription.start",
        "Subscription.wake",
    }
)
"""Members without an underscore that the package itself uses."""


def render_entry(full: str, value: Any) -> str:
    """The entry of a public name, `full` with its module, as Markdown."""
    name = full.rpartition(".")[2]
    parts = [f"### `{name}`\n" if name.startswith("_") else f"### {name}\n"]
    if inspect.isclass(value):
        parts += _class(full, value)
    elif inspect.isfunction(value):
        parts += [_code(f"{full}{_signature(value)}"), _text(value)]
    elif full.endswith("__version__"):
        parts.append("The version of sprag, a string.\n")
    else:
        parts.append(_code(f"{full} = {_shown(value)}"))
    return "\n".join(part for part in parts if part)


def _class(full: str, kind: type) -> list[str]:
    parts = [_code(_head(full, kind)), _text(kind)]
    fields = _fields(kind)
    if fields:
        parts.append(_code("\n".join(fields)))
    attributes = [found for part in _parts(kind) for found in _attributes(part)]
    if attributes:
        parts.append("\n".join(f"- `{name}`: {text}" for name, text in attributes) + "\n")
    for name, member in _members(kind):
        parts += _member(kind, name, member)
    return parts


def _parts(kind: type) -> list[type]:
    """The class and the bases of ours that have no entry, because they are parts of it alone."""
    return [*(part for part in reversed(kind.__mro__) if part.__name__ in PARTS), kind]


def _head(full: str, kind: type) -> str:
    bases = ", ".join(base.__name__ for base in kind.__bases__)
    derived = f"({bases})" if issubclass(kind, BaseException) else ""
    if kind.__name__ in CONSTRUCTED and full.startswith("sprag."):
        return f"class {full}{_signature(kind.__init__)}"  # type: ignore[misc]  # only read
    return f"class {full}{derived}"


def _fields(kind: type) -> list[str]:
    """The fields of a record, with their types and defaults."""
    names = getattr(kind, "_fields", None) or getattr(kind, "__dataclass_fields__", None)
    if names is None:
        return []
    shown = []
    for name, parameter in inspect.signature(kind).parameters.items():
        text = f"{name}: {_annotation(parameter.annotation)}"
        if parameter.default is not inspect.Parameter.empty:
            text += f" = {_shown(parameter.default)}"
        shown.append(text)
    return shown


def _attributes(kind: type) -> list[tuple[str, str]]:
    """The attributes that the class describes by a text below them, as they are declared."""
    source = textwrap.dedent(inspect.getsource(kind))
    tree = ast.parse(source)
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    found = []
    statements = list(body)
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            statements += node.body
    for node, following in itertools.pairwise(statements):
        name = _described(node)
        if name is None or name.startswith("_") or f"{kind.__name__}.{name}" in INTERNAL:
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            declared = _declared(kind, node, name) if node in body else name
            found.append((declared, " ".join(str(following.value.value).split())))
    return found


def _declared(kind: type, node: ast.stmt, name: str) -> str:
    """The attribute with its type and its value."""
    text = name
    if isinstance(node, ast.AnnAssign):
        text += f": {ast.unparse(node.annotation)}"
    return f"{text} = {_shown(getattr(kind, name))}" if hasattr(kind, name) else text


def _described(node: ast.stmt) -> str | None:
    """The name that a statement sets."""
    target: ast.expr | None = None
    if isinstance(node, ast.AnnAssign):
        target = node.target
    elif isinstance(node, ast.Assign):
        target = node.targets[0]
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return target.attr
    return None


def _members(kind: type) -> list[tuple[str, Any]]:
    """The public methods and properties of a class, in the order in which it defines them."""
    fields = set(getattr(kind, "_fields", ())) | set(getattr(kind, "__dataclass_fields__", ()))
    return [
        (name, member)
        for part in _parts(kind)
        for name, member in vars(part).items()
        if not name.startswith("_")
        and name not in fields
        and f"{kind.__name__}.{name}" not in INTERNAL
        and isinstance(member, property | classmethod | staticmethod | Callable)
        and not inspect.isclass(member)
    ]


def _member(kind: type, name: str, member: Any) -> list[str]:
    if isinstance(member, property):
        returns = _annotation(inspect.signature(member.fget).return_annotation)  # type: ignore[arg-type]
        return [_code(f"{kind.__name__}.{name}: {returns}"), _text(member)]
    function = inspect.unwrap(getattr(kind, name))
    prefix = "async " if inspect.iscoroutinefunction(function) else ""
    return [_code(f"{prefix}{kind.__name__}.{name}{_signature(function)}"), _text(member)]


def _signature(function: Callable[..., Any]) -> str:
    """As in Python, without `self`, in one line or a line for each parameter."""
    signature = inspect.signature(function)
    parts: list[str] = []
    kinds = inspect.Parameter
    star = False
    shown = [p for n, p in signature.parameters.items() if n not in ("self", "cls")]
    for place, parameter in enumerate(shown):
        if parameter.annotation == "Never":
            continue  # it only tells a type checker that there are no others
        named = _unpacked(function, parameter)
        if (parameter.kind is kinds.KEYWORD_ONLY or named) and not star:
            parts.append("*")
        star = star or parameter.kind in (kinds.KEYWORD_ONLY, kinds.VAR_POSITIONAL)
        star = star or bool(named)
        parts += named or [_parameter(parameter)]
        after = shown[place + 1].kind if place + 1 < len(shown) else None
        if parameter.kind is kinds.POSITIONAL_ONLY and after is not kinds.POSITIONAL_ONLY:
            parts.append("/")
    returned = signature.return_annotation
    arrow = (
        ""
        if returned in (inspect.Signature.empty, "None", None)
        else f" -> {_annotation(returned)}"
    )
    line = f"({', '.join(parts)}){arrow}"
    if len(line) + 24 <= _WIDTH:
        return line
    listed = "".join(f"    {part},\n" for part in parts)
    return f"(\n{listed}){arrow}"


def _unpacked(function: Callable[..., Any], parameter: inspect.Parameter) -> list[str]:
    """The keyword arguments that a `**options: Unpack[…]` stands for, none of them required."""
    found = re.fullmatch(r"Unpack\[(\w+)\]", str(parameter.annotation))
    if found is None:
        return []
    options = function.__globals__[found[1]].__annotations__
    return [f"{name}: {_annotation(annotation)} = ..." for name, annotation in options.items()]


def _parameter(parameter: inspect.Parameter) -> str:
    prefix = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
    prefix = "**" if parameter.kind is inspect.Parameter.VAR_KEYWORD else prefix
    text = f"{prefix}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {_shown(parameter.default)}"
    return text


def _annotation(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    return (
        getattr(annotation, "__name__", str(annotation))
        if isinstance(annotation, type)
        else str(annotation)
    )


def _shown(value: Any) -> str:
    if type(value).__name__ == "_Unset":
        return "..."
    if isinstance(value, str):
        return '"' + value.replace('"', '\\"') + '"'
    if typing.get_origin(value) is None and callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    if isinstance(value, tuple) and len(repr(value)) > _WIDTH:
        inner = "".join(f"    {one!r},\n" for one in value)
        return f"(\n{inner})"
    text = repr(value).replace("typing.", "")
    return text if len(text) <= _WIDTH else text.replace(", ", ",\n    ")


def _code(text: str) -> str:
    return f"```text\n{text}\n```\n"


def _text(value: Any) -> str:
    said = inspect.getdoc(value)
    return f"{said}\n" if said else ""
