"""Pages: a template filled with what a controller loads, in the application's frame."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import jinja2
from anyio import CapacityLimiter
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..browser import early_name, python_names, script_name
from .answers import to_json
from .assets import Assets
from .controller import Controller
from .discovery import Found
from .errors import StartupError
from .guards import page_policy
from .news import Position
from .options import BASE
from .session import check_session
from .templates import template_of
from .visitor import keep_session

_HARMLESS: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
_FRAME: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ page.title }}</title>
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
{{ page.head }}
</head>
<body>
{{ page.content }}
</body>
</html>
"""


@dataclass(slots=True)
class Page:
    """What a shell gets: put `head` into the head and `content` into the body. Both are HTML."""

    title: str
    head: Markup
    content: Markup
    request: Request
    data: Mapping[str, Any] = field(default_factory=dict)


Shell = Callable[[Page], object]
AnyShell = Shell | jinja2.Template | str | Path
"""A callable, a template, the path of one, or its text."""


class Frame:
    """The application's shell: a template, its path or its text, or a callable of a Page."""

    def __init__(
        self, shell: object, environment: jinja2.Environment, folder: Path, stylesheet: str | None
    ) -> None:
        self._stylesheet = stylesheet
        self._shell: Shell
        try:
            if shell is None:
                self._template(environment.from_string(_FRAME))
            elif isinstance(shell, jinja2.Template):
                self._template(shell)
            elif isinstance(shell, str | Path):
                self._template(_load(shell, environment, folder))
            elif callable(shell):
                self._shell = shell
            else:
                raise StartupError(
                    "App: shell: expected a Jinja2 template, the path of one, or a callable that "
                    f"takes a Page, got {shell!r}"
                )
        except jinja2.TemplateSyntaxError as error:
            where = error.filename or error.name or "shell"
            raise StartupError(f"{where}:{error.lineno}: {error.message}") from error

    def __call__(self, page: Page) -> str:
        if self._stylesheet is not None:
            # First, so that every other style may override it.
            base = page.request.scope.get("root_path", "") + BASE
            link = f'<link rel="stylesheet" href="{escape(base)}/assets/{self._stylesheet}">\n'
            page.head = Markup(link) + page.head
        text = str(self._shell(page))
        if str(page.head) not in text:
            # A shell that does not use `page.head` must not leave the page without its scripts.
            before, tag, after = text.partition("</head>")
            text = f"{before}{page.head}{tag}{after}" if tag else f"{page.head}{text}"
        return text

    def _template(self, template: jinja2.Template) -> None:
        self._shell = lambda page: template.render(
            page=page, title=page.title, head=page.head, content=page.content,
            request=page.request,
        )  # fmt: skip


def _load(shell: str | Path, environment: jinja2.Environment, folder: Path) -> jinja2.Template:
    if isinstance(shell, str) and "<" in shell:
        return environment.from_string(shell)
    for file in (Path(shell), folder / shell, folder.parent / shell):
        if file.is_file():
            return environment.overlay(
                loader=jinja2.FileSystemLoader([str(file.parent), str(folder)])
            ).get_template(file.name)
    raise StartupError(
        f"App: shell: there is no file {Path(shell).absolute()}, nor {folder / shell} or "
        f"{folder.parent / shell}"
    )


class PageView:
    """The endpoint of one page."""

    def __init__(
        self,
        found: Found,
        make: Callable[[Request], Controller],
        environment: jinja2.Environment,
        frame: Frame,
        assets: Assets,
        threads: CapacityLimiter,
        position: Callable[[], Position],
        *,
        debug: bool,
    ) -> None:
        self._debug = debug
        self._found = found
        self._make = make
        self._frame = frame
        self._threads = threads
        self._position = position
        self._module = found.module
        self._module_name = None if found.module is None else assets.add_module(found.module.path)
        self._template = template_of(found, environment)
        self._is_async = inspect.iscoroutinefunction(found.kind.load)
        python = found.module is not None and found.module.language == "python"
        if python:
            assets.add_python()
        self._policy = page_policy(python=python)

    async def __call__(self, request: Request) -> Response:
        keep_session(request)
        controller = self._make(request)
        arguments = request.path_params
        if self._is_async:
            position = await anyio.to_thread.run_sync(self._position, limiter=self._threads)
            data = await controller.load(**arguments)
        else:
            # The position comes first: better that the page is told twice of what happens while it
            # loads, than not at all.
            position, data = await anyio.to_thread.run_sync(
                lambda: (self._position(), controller.load(**arguments)), limiter=self._threads
            )
        if isinstance(data, Response):
            data.headers.setdefault("Content-Security-Policy", page_policy(python=False))
            # A file has a date, and by that, caches may keep it for other users unless told not to.
            data.headers.setdefault("Cache-Control", "private, no-cache")
            return data
        if not isinstance(data, Mapping):
            raise TypeError(f"{self._found.name}.load: expected a dict, got {type(data).__name__}")
        base = request.scope.get("root_path", "") + BASE
        if self._template is None:
            raise TypeError(
                f"{self._found.name}.load: expected a response, as there is no template, got "
                f"{type(data).__name__}; for a page, write "
                f"{Path(inspect.getfile(self._found.kind)).with_suffix('.html')}, or name a file "
                "in `template`"
            )
        check_session(request)
        head = self._head(base, position, data)
        names = {"request": request, "base": request.scope.get("root_path", ""), **data}
        content = Markup(self._template.render(names))  # the template has escaped it
        page = Page(self._found.kind.title, head, content, request, data)
        headers = {"Cache-Control": "private, no-cache", "Content-Security-Policy": self._policy}
        return HTMLResponse(self._frame(page), headers=headers)

    def _head(self, base: str, position: Position, data: Mapping[str, Any]) -> Markup:
        if self._module is None:
            return Markup("")
        url = f"{base}/assets/"
        python = None
        if self._module.language == "python":
            python = {name: url + file for name, file in asdict(python_names()).items()}
        config = {
            "base": base,
            "cursor": str(position),
            "state": dict(data),
            "modules": [
                {
                    "url": f"{url}{self._module_name}",
                    "language": self._module.language,
                    "name": self._module.name,
                }
            ],
            "python": python,
            "debug": self._debug,
        }
        text = to_json(config).decode().translate(_HARMLESS)
        return Markup(  # the text cannot end its element, and the names are ours
            f'<script src="{url}{early_name()}"></script>\n'
            f'<script type="application/json" id="sprag-page">{text}</script>\n'
            f'<script type="module" id="sprag-script" src="{url}{script_name()}"></script>'
        )
