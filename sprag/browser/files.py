"""The files that pages load."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from ..http.files import File, named_by_content, packed

_PAGE = (
    "console", "names", "values", "config", "ready", "connection", "actions", "attributes",
    "markup", "module", "replay", "start",
)  # fmt: skip
"""The parts of sprag.js, in the folder `page`. Each imports only parts before it."""
_BRIDGE = ("brython", "bridge")
"""Those of bridge.js, in the folder `bridge`. What a script exports is a list at its end."""

_IMPORT = re.compile(r"^import \{[^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async|class|const|function|let)\b)", re.MULTILINE)
_BLANK = re.compile(r"\n{2,}")
_BLOCK_COMMENT = re.compile(r"/\*\*.*?\*/", re.DOTALL)
_CSS_COMMENT = re.compile(r"/\*.*?\*/\n*", re.DOTALL)
_LINE_COMMENT = re.compile(r"^[ \t]*(//.*)?$", re.MULTILINE)

_PYTHON = ("line", "handlers", "elements", "events", "results", "module", "receivers", "__init__")
"""The parts of what is `sprag` in a browser, in the folder `python`. Brython takes long for each
module that it imports, so it gets one."""

# What a part need not say twice: its subject, what it imports from the others, and types.
_PYTHON_HEAD = re.compile(
    r'\A"""[^"]*"""\n|^from (?:__future__|\.\w*) import (?:\([^)]*\)|.*)\n'
    r"|^TYPE_CHECKING = False.*\nif TYPE_CHECKING:\n(?: {4}.*\n|\n)*",
    re.MULTILINE,
)

# Typed code imports these beside sprag, and a browser's Python has neither.
_FUTURE = "annotations = True\n"
_TYPING = "TYPE_CHECKING = False\nAny = object\n\n\ndef cast(kind, value):\n    return value\n"


@dataclass(frozen=True)
class PythonNames:
    """The names of the assets that the page's config calls brython, bridge and runtime."""

    brython: str
    bridge: str
    runtime: str


@cache
def core_assets() -> tuple[File, ...]:
    """What every page with a module needs: sprag.js under its hashed name, `sprag.js`, which points
    there, and early.js, which runs before the content is there."""
    script = _asset("sprag.js", _joined(_own(f"page/{part}.js") for part in _PAGE))
    link = f'export * from "./{script.name}";\n'.encode()
    alias = packed("sprag.js", link, immutable=False)
    return script, alias, _asset("early.js", _without_comments(_own("early.js")))


def script_name() -> str:
    """The hashed name of sprag.js, for the page's `<script type="module">`."""
    return core_assets()[0].name


def early_name() -> str:
    """The hashed name of early.js, for the page's first `<script>`."""
    return core_assets()[2].name


@cache
def stylesheet() -> File:
    """The default stylesheet of pages."""
    return _asset("sprag.css", _CSS_COMMENT.sub("", _own("sprag.css")).lstrip())


@cache
def python_assets() -> tuple[File, ...]:
    """What a page with modules in Python needs in addition: Brython, the bridge, and our package.

    Raises RuntimeError if Brython is not installed.
    """
    sprag = _joined_python(_own(f"python/{part}.py") for part in _PYTHON)
    sources = {"sprag": sprag, "__future__": _FUTURE, "typing": _TYPING}
    package = {"$timestamp": 0} | {name: [".py", text, []] for name, text in sources.items()}
    # The form in which Brython takes modules: see loadBrythonPackage in brython.js.
    runtime = f"__BRYTHON__.loadBrythonPackage({json.dumps(package)});\n"
    return (
        _asset("brython.js", _brython()),
        _asset("bridge.js", _joined(_own(f"bridge/{part}.js") for part in _BRIDGE)),
        _asset("runtime.js", runtime),
    )


def python_names() -> PythonNames:
    """The names of `python_assets`, each in its role."""
    brython, bridge, runtime = python_assets()
    return PythonNames(brython=brython.name, bridge=bridge.name, runtime=runtime.name)


def page_module(path: Path) -> File:
    """An author's own module file, `.py` or `.js`, as it is now."""
    # The hash tells files apart whose names become equal when they are made fit for a URL.
    stem = re.sub(r"[^\w-]", "_", path.stem, flags=re.ASCII)
    return _asset(stem + path.suffix, path.read_text(encoding="utf-8"))


def _asset(name: str, text: str) -> File:
    return named_by_content(name, text.encode())


def _own(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _brython() -> str:
    try:
        data = resources.files("brython").joinpath("data", "brython.js")
        return data.read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise RuntimeError(
            "a page has a module in Python, which needs Brython's runtime, and the package brython "
            f"is not installed or lacks it ({error}): install sprag-queue[web]"
        ) from error


def _joined(parts: Iterable[str]) -> str:
    """Several modules as one, so that a page asks once: without what they import from each other
    and without comments."""
    text = "".join(_EXPORT.sub("", _IMPORT.sub("", part)) for part in parts)
    return _BLANK.sub("\n", _without_comments(text)).lstrip()


def _joined_python(parts: Iterable[str]) -> str:
    """Several modules of Python as one."""
    text = "".join(_PYTHON_HEAD.sub("", part) for part in parts)
    return f"from __future__ import annotations\n{text}"


def _without_comments(source: str) -> str:
    """Our own JavaScript without its comments, a third of its size; each line keeps its number."""
    plain = _BLOCK_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), source)
    return _LINE_COMMENT.sub("", plain)
