"""Imports: what `import sprag.queue` costs a program, and that it loads nothing of the web."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ..measures import Result

WEB = frozenset(
    {
        "anyio", "brython", "h11", "itsdangerous", "jinja2", "markupsafe", "multipart", "pydantic",
        "pydantic_core", "python_multipart", "sprag.browser", "sprag.dashboard", "sprag.web",
        "sse_starlette", "starlette", "typing_extensions", "uvicorn", "websockets",
    }
)  # fmt: skip

IMPORT = """
import sys, time
started = time.perf_counter()
import sprag.queue
seconds = time.perf_counter() - started
import json
print(json.dumps([seconds, sorted(sys.modules)]))
"""


def imports(_folder: Path, _sync: str, *, samples: int) -> Result:
    """Median seconds of the import in fresh processes; of such a process as a whole, and of an
    empty one, for whoever looks into the figures.

    `web` are the web packages that it loaded.
    """
    seconds: list[float] = []
    whole: list[float] = []
    empty: list[float] = []
    found: set[str] = set()
    for _ in range(samples):
        inside, modules = json.loads(_python(IMPORT))
        seconds.append(inside)
        found |= WEB.intersection(modules)
        whole.append(_time("import sprag.queue"))
        empty.append(_time(""))
    return {
        "seconds": statistics.median(seconds),
        "whole": statistics.median(whole),
        "empty": statistics.median(empty),
        "web": len(found),
    }


def _time(program: str) -> float:
    started = time.perf_counter()
    _python(program)
    return time.perf_counter() - started


def _python(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
