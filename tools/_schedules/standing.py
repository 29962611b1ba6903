"""The races about what stands besides jobs: schedules and pauses."""

from __future__ import annotations

from typing import Any

from sprag.queue import Every
from sprag.queue.options import Settings
from sprag.queue.tasks import Repertoire

from .file import FILE
from .handlers import quick
from .parts import NOW
from .scheduler import READ
from .stage import QUEUE, Scene


def two_keepers_at_one_slot(scene: Scene) -> None:
    """A slot comes, and two processes know of it."""
    scene.slots = 1
    engines = [scene.process("a"), scene.process("b")]
    for engine in engines:
        _know_the_schedule(engine)
    scene.workers("a", 1, quick)
    for name, engine in zip("ab", engines, strict=True):
        scene.actor(f"keeper of {name}", _look, engine, of=name)


def pause_against_claims(scene: Scene) -> None:
    """A queue is paused by one process, and run by another."""
    a, b = scene.process("a"), scene.process("b")
    scene.enqueue(a, f"{10:032x}", f"{11:032x}")
    scene.workers("a", 1, quick)
    scene.actor("operator", _pause_for_a_while, scene, b, of="b")


def _know_the_schedule(engine: Any) -> None:
    """Look at a moment before the slot."""
    settings = Settings(name=QUEUE, schedules=[Every(seconds=5)])
    standing = Repertoire({}, handles=True).standing(settings)
    engine.timetable.take(object(), QUEUE, standing, None)
    clock, engine.store.clock = engine.store.clock, lambda: NOW - 1
    engine.timetable.look(engine.owner)
    engine.store.clock = clock


def _look(engine: Any) -> None:
    engine.timetable.changed()
    engine.timetable.look(engine.owner)


def _pause_for_a_while(scene: Scene, engine: Any) -> None:
    engine.store.pauses.pause(QUEUE, None)
    before = _starts(scene)
    for _ in range(2):
        engine.store.pauses.of(QUEUE)  # others go on meanwhile
    if _starts(scene) != before:
        scene.run.notes.append(("started while paused",))
    engine.store.pauses.resume(QUEUE)


def _starts(scene: Scene) -> int:
    scene.run.touch(FILE, READ)
    return int(scene.eye.execute("SELECT count(*) FROM transition WHERE event = 'start'").get)
