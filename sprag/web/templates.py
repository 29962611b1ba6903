"""The templates of pages: found, read and checked before anything is served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jinja2
from jinja2 import nodes

from ..browser import check_markup
from .discovery import Found
from .errors import StartupError


def make_environment(folder: Path) -> jinja2.Environment:
    """Templates of the routes package. Everything in them is escaped unless it says otherwise."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(folder)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def template_of(found: Found, environment: jinja2.Environment) -> jinja2.Template | None:
    """The template of a page, None if it has none. Raises StartupError for a mistake in it, or in
    a template that it includes or extends."""
    if found.template is None:
        return None
    template = _load(environment, found.template, None)
    classes = {} if found.module is None else found.module.classes
    problems: list[str] = []
    for file in _files(environment, found.template, set()):
        problems += check_markup(file.read_text(encoding="utf-8"), str(file), classes)
    if problems:
        raise StartupError("\n".join(problems))
    return template


def _load(
    environment: jinja2.Environment, name: str, asked: tuple[Path, int] | None
) -> jinja2.Template:
    try:
        return environment.get_template(name)
    except jinja2.TemplateSyntaxError as error:
        where = error.filename or error.name
        raise StartupError(f"{where}:{error.lineno}: {error.message}") from error
    except UnicodeDecodeError as error:
        raise StartupError(f"template {name}: expected UTF-8, {error.reason}") from error
    except jinja2.TemplateNotFound as error:
        where = "" if asked is None else f"{asked[0]}:{asked[1]}: "
        raise StartupError(f"{where}there is no template {name!r} in the routes package") from error


def _files(environment: jinja2.Environment, name: str, seen: set[str]) -> Iterator[Path]:
    """The file of a template, and those of the templates that it names."""
    if name in seen:
        return
    seen.add(name)
    file = Path(str(environment.get_template(name).filename))
    yield file
    for inner, line, needed in _named(environment.parse(file.read_text(encoding="utf-8"))):
        if needed or inner in environment.list_templates():
            _load(environment, inner, (file, line))
            yield from _files(environment, inner, seen)


def _named(tree: nodes.Template) -> Iterator[tuple[str, int, bool]]:
    """The templates that this one names as text: the name, the line, and whether it must exist."""
    kinds = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
    for node in tree.find_all(kinds):
        inner = getattr(node, "template", None)
        if isinstance(inner, nodes.Const) and isinstance(inner.value, str):
            yield inner.value, node.lineno, not getattr(node, "ignore_missing", False)
