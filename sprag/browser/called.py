"""Actions that a page's Python module calls by a name that is written as text.

Pure: it reads the syntax tree of the file. A name that is only known when the page runs is left
alone, so whatever is found here is the name of an action, or a mistake.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class ActionCall(NamedTuple):
    """A call of an action by its name, and the line on which it stands."""

    name: str
    line: int


def actions_called(kind: ast.ClassDef) -> Iterator[ActionCall]:
    """The calls `self.call_action("name")` in the methods of a subclass of Module."""
    for method in kind.body:
        if not isinstance(method, _Function):
            continue
        first = [*method.args.posonlyargs, *method.args.args][:1]
        # A static method's first argument may be anything.
        if first and not any(_is_name(one, "staticmethod") for one in method.decorator_list):
            own = first[0].arg
            nodes = [*_nodes(method.body, own)]
            if not any(_is_name(node, own) and _is_set(node) for node in nodes):
                yield from _calls(nodes, own)


def _calls(nodes: list[ast.AST], own: str) -> Iterator[ActionCall]:
    for node in nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "call_action"
            and _is_name(node.func.value, own)
        ):
            named = [word.value for word in node.keywords if word.arg == "name"]
            for value in [*node.args[:1], *named]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield ActionCall(value.value, value.lineno)


def _nodes(body: list[ast.stmt], own: str) -> Iterator[ast.AST]:
    """All nodes of a method in which the name `own` can only mean its first argument."""
    waiting: list[ast.AST] = [*reversed(body)]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.ClassDef):
            continue
        if isinstance(node, _Function | ast.Lambda):
            arguments = [one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)]
            if own in arguments:
                continue
        waiting += reversed([*ast.iter_child_nodes(node)])


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_set(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
