"""The names under which dataclasses are stored, and found again without importing anything.

A class of the script that Python was started with is stored under the name by which other
processes import that script: `app:Point` after `python app.py`, never `__main__:Point`.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
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


def _script() -> str | None:
    """The name by which the script that was started can be imported; None without a script."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in _MAIN:
        return str(spec.name)  # python -m package.module
    file = getattr(main, "__file__", None)
    # The script of a folder or an archive is called __main__ everywhere, which names nothing.
    return None if file is None or Path(file).stem == "__main__" else Path(file).stem
