"""A process that is replaced when a file changes, for development."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .stops import StopRequests

log: Final = logging.getLogger("sprag.cli")

_LOOK_SECONDS: Final = 0.25
_WATCHED: Final = frozenset({".py", ".html", ".js", ".css", ".json", ".jinja", ".svg"})
_NOT_ENTERED: Final = frozenset({"__pycache__", "node_modules"})
_SPAWN: Final = multiprocessing.get_context("spawn")


def keep_reloading(run: Callable[..., None], *arguments: Any) -> None:
    """Call `run(*arguments)` in a new process, and in another one whenever a file under the working
    directory is changed, made or removed. A signal stops it in order. All must be picklable."""
    requests = StopRequests()
    seen = _look(Path.cwd())
    process = _SPAWN.Process(target=run, args=arguments)
    process.start()
    while requests.wait(_LOOK_SECONDS) is None:
        before, seen = seen, _look(Path.cwd())
        if changed := sorted(dict(before.items() ^ seen.items())):
            named = ", ".join(str(file.relative_to(Path.cwd())) for file in changed)
            log.warning("%s changed. Reloading", named)
            process.terminate()
            process.join()
            process = _SPAWN.Process(target=run, args=arguments)
            process.start()
    process.terminate()
    process.join()


def _look(folder: Path) -> dict[Path, float]:
    """The files that matter, with the times of their last changes; none of hidden folders."""
    found = {}
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and name not in _NOT_ENTERED]
        for file in (Path(here, name) for name in files):
            if file.suffix in _WATCHED:
                with contextlib.suppress(OSError):  # removed meanwhile
                    found[file] = file.stat().st_mtime
    return found
