"""Places where a job stays while its test says so: while a file `hold-<place>` is there."""

import threading
from collections.abc import Callable
from pathlib import Path


def held(place: str, look: Callable[[], object] = lambda: None) -> None:
    """Return when the file is gone; until then `look` again and again."""
    pause = threading.Event()
    while Path(f"hold-{place}").exists():
        look()
        pause.wait(0.005)
