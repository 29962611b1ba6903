"""The order of the reference, which holds every public name."""

import sys
from types import ModuleType
from typing import Any, Final

import sprag
import sprag.queue
import sprag.web
from sprag.browser import python as browser

from .entry import render_entry

HOMES: Final[tuple[tuple[str, ModuleType], ...]] = (
    ("sprag", sprag),
    ("sprag.queue", sprag.queue),
    ("sprag.web", sprag.web),
)
"""Where names are imported from; the first home that has a name is the one that is shown."""

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Queues": (
        "QueueService",
        "Cron",
        "Every",
        "Backoff",
        "Retry",
        "Fail",
        "Pause",
        "new_job_id",
    ),
    "Tasks": ("task", "Task", "TaskCall"),
    "Jobs": ("Job", "JobError", "Progress", "Page", "Transition", "RunningJob"),
    "Signals": ("Subscription", "Signal", "SIGNAL"),
    "States": ("Status", "STATUSES", "Event", "Move", "MOVES"),
    "Errors of queues": ("QueueError",),  # and every other exception of sprag.queue
    "The application": ("App", "Controller", "action"),
    "What actions take": ("Schema", "Field", "Upload"),
    "Pages and their errors": (),  # what is left of sprag.web
    "In the browser": ("Module",),
    "Other": ("__version__",),
}

_INTRODUCTION: Final = """# Reference

Every public name of sprag. The command `python3 tools/reference.py` writes this page from the
signatures and docstrings of the code. For explanations and examples, see the [guide](guide.md) and
[Pages](web.md).

The first name of each entry says where to import it from. Times are Unix seconds, and durations are
seconds.
"""

_BROWSER: Final = """These names exist in a page's Python module. `Module` is imported; the other
objects are handed to its methods. For JavaScript, see [Verbs](web.md#verbs).
"""


def render() -> str:
    """The whole page."""
    names = public_names()
    placed = _placed(names)
    parts = [_INTRODUCTION, _contents(placed)]
    for section, listed in placed.items():
        parts.append(f"## {section}\n")
        parts += [_BROWSER] if section == "In the browser" else []
        parts += [render_entry(full, names[full]) for full in listed]
        if section == "In the browser":
            others = [name for name in browser.__all__ if name != "Module"]
            parts += [render_entry(name, getattr(browser, name)) for name in others]
    return "\n".join(parts).rstrip() + "\n"


def public_names() -> dict[str, Any]:
    """Every public name with its value, each once, under its first home."""
    found: dict[str, Any] = {}
    seen: set[tuple[str, int]] = set()
    for home, module in HOMES:
        for name in module.__all__:
            value = getattr(module, name)
            # The same thing under the same name is one entry; a name may stand for two things.
            if (name, id(value)) not in seen:
                seen.add((name, id(value)))
                found[f"{home}.{name}"] = value
    return found


def _placed(names: dict[str, Any]) -> dict[str, list[str]]:
    """The sections with the full names in them; what none of them lists goes by its kind."""
    placed = {
        section: [_full(name, names) for name in listed] for section, listed in SECTIONS.items()
    }
    listed = {full for section in placed.values() for full in section}
    for full, value in sorted(names.items(), key=lambda entry: entry[0].rpartition(".")[2]):
        if full not in listed:
            is_error = isinstance(value, type) and issubclass(value, BaseException)
            if full.startswith("sprag.web.") or value is sprag.ActionError:
                section = "Pages and their errors"
            else:
                section = "Errors of queues" if is_error else "Other"
            placed[section].append(full)
    return placed


def _full(name: str, names: dict[str, Any]) -> str:
    return next(full for home, _ in HOMES if (full := f"{home}.{name}") in names)


def _contents(placed: dict[str, list[str]]) -> str:
    lines = []
    for section, listed in placed.items():
        anchor = section.lower().replace(" ", "-")
        shown = ", ".join(f"`{name.rpartition('.')[2]}`" for name in listed)
        lines.append(f"- [{section}](#{anchor}): {shown}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(render().encode())
