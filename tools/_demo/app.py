"""The demo's run: find or make images, enqueue each once, work until all are done, and say what
became of them."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from sprag.queue import IllegalMove, Job, QueueError, Signal

from . import pictures
from .arguments import DEMO, TerminalOptions
from .output import prepare
from .pictures import Picture, Skipped
from .screen import Screen, screen

# At the end, so that `examples` is found there and `sprag` where it is installed.
sys.path.append(str(DEMO.parent))
from examples.thumbnails import SIZES, ThumbnailQueue, storable

_MANY_CRASHES = 1000


def main(options: TerminalOptions, queue_class: type[ThumbnailQueue] = ThumbnailQueue) -> int:
    """Do all of it; the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A file's name may have what the terminal has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(options, queue_class)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it was.")
        return 130
    except SystemExit as terminated:  # what SIGTERM becomes
        print("Terminated. The same command goes on where it was.")
        return terminated.code if isinstance(terminated.code, int) else 1
    except BrokenPipeError:
        # Whoever read the output has gone. Python would complain of it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, QueueError) as error:
        print(f"The demo cannot go on: {error}", file=sys.stderr)
        return 2
    else:
        return code


def _run(options: TerminalOptions, queue_class: type[ThumbnailQueue]) -> int:
    output = options.output
    if not prepare(output):
        return 2
    folder = options.folder
    if folder is None:
        folder = output / "images"
        _make(folder, options.images, plain=options.plain)
    found, skipped = pictures.find(folder, without=output)
    if not found:
        _list("Cannot be read", [(_shown(entry.path), entry.reason) for entry in skipped])
        endings = ", ".join(pictures.SUFFIXES)
        print(f"No images in {folder}: expected files that end in {endings}.", file=sys.stderr)
        return 2
    print(f"{len(found)} images in {_shown(folder)}")
    print(f"All that is made of them goes to {output}; delete it to start anew.")
    print("Stop this at any time, even with kill -9; the same command goes on.", flush=True)

    queue = queue_class(
        database=output / "jobs.db",
        worker_count=options.workers,
        # Here someone kills on purpose; the default of 3 is for images that kill by themselves.
        max_crashes=_MANY_CRASHES,
    )
    try:
        jobs = _enqueue(queue, found, folder, output / "thumbnails", retry=options.retry)
        try:
            seconds, before = _work(queue, jobs, plain=options.plain)
        except (KeyboardInterrupt, SystemExit):
            done = sum(queue.get(job_id).finished for job_id in jobs)
            print(f"{done} of {len(jobs)} are done.")
            raise
        return _tell([queue.get(job_id) for job_id in jobs], skipped, output, seconds, before)
    finally:
        queue.stop()


def _make(folder: Path, count: int, *, plain: bool) -> None:
    there = len(list(folder.glob("*.jpg")))
    if there < count:
        print(f"Making {count - there} large images in {folder}.", flush=True)
        with screen("making images", count, there, plain=plain) as shown:
            pictures.make(
                folder, count, lambda number, name: shown.done(number, f"{name} is there")
            )


# ---------------------------------------------------------------- what is to be done


def _enqueue(
    queue: ThumbnailQueue, found: list[Picture], folder: Path, thumbnails: Path, *, retry: bool
) -> dict[str, Job]:
    """Enqueue what is not in the queue from an earlier run; the job of each image, by its id.

    A job's id follows from what is to be done and to which version of the file, so repeating
    this stores nothing twice, wherever the last run was killed.
    """
    jobs: dict[str, Job] = {}
    for picture in found:
        name = picture.path.relative_to(folder)
        item = {
            "source": storable(picture.path),
            "folder": storable((thumbnails / name).parent),
            "sizes": list(SIZES),
        }
        job = queue.enqueue(item, job_id=_job_id(item, picture.version), label=_shown(name)[:200])
        if job.status == "cancelled" or (retry and job.status == "failed"):
            with suppress(IllegalMove):  # another demo has done so meanwhile
                job = queue.requeue(job.id)
        jobs[job.id] = job
    _withdraw_others(queue, jobs)
    return jobs


def _withdraw_others(queue: ThumbnailQueue, jobs: dict[str, Job]) -> None:
    """Cancel what was enqueued for images that have been changed or removed since."""
    cursor: str | None = None
    while True:
        page = queue.jobs(["queued", "running"], limit=1000, after=cursor)
        for job in page:
            if job.id not in jobs:
                queue.cancel(job.id)
        if page.next is None:
            return
        cursor = page.next


def _job_id(item: dict[str, Any], version: tuple[int, int]) -> str:
    work = json.dumps([item, version], default=list, sort_keys=True)
    return hashlib.sha256(work.encode()).hexdigest()[:32]


# ---------------------------------------------------------------- doing it


def _work(queue: ThumbnailQueue, jobs: dict[str, Job], *, plain: bool) -> tuple[float, int]:
    """Run the jobs to their end; the seconds it took, and how many had ended before."""
    ended = {job.id for job in jobs.values() if job.finished}
    before = len(ended)
    if before:
        print(f"{before} of {len(jobs)} are done already.", flush=True)
    start = time.monotonic()
    with screen("all images", len(jobs), before, plain=plain) as shown:
        # Before the start, which takes back the jobs of a run that was killed.
        queue.subscribe(_Follower(queue, jobs, ended, shown))
        with queue:
            try:
                for job_id in jobs:
                    queue.wait(job_id)
            except (KeyboardInterrupt, SystemExit):
                _stop(queue, shown)
                raise
    return time.monotonic() - start, before


def _stop(queue: ThumbnailQueue, shown: Screen) -> None:
    try:
        shown.say("Stopping: what is in work is finished first. Interrupt again to stop at once.")
        queue.stop()
    except (KeyboardInterrupt, SystemExit):
        queue.stop(0)


class _Follower:
    """Turns the queue's signals into what the screen shows."""

    def __init__(
        self, queue: ThumbnailQueue, jobs: dict[str, Job], ended: set[str], shown: Screen
    ) -> None:
        self._queue = queue
        self._jobs = jobs
        self._ended = ended
        self._screen = shown

    def __call__(self, signal: Signal) -> None:
        job = self._jobs.get(signal["job_id"])
        if job is None:
            return
        name = job.label or job.id
        event = signal["event"]
        if event == "start":
            self._screen.begin(job.id, name)
        elif event == "progress":
            progress = signal["progress"]
            self._screen.progress(job.id, progress["percent"], progress["message"])
        elif event in ("recover", "release"):
            self._screen.leave(job.id)
            told = "killed" if event == "recover" else "stopped"
            self._screen.say(f"{name}: its process was {told}; back in the queue")
        elif signal["status"] in ("completed", "failed", "cancelled"):
            self._screen.leave(job.id)
            self._ended.add(job.id)
            now = self._queue.get(job.id)
            failed = now.status != "completed"
            self._screen.done(len(self._ended), f"{name}: {_outcome(now)}", failed=failed)


# ---------------------------------------------------------------- saying so


def _tell(
    jobs: list[Job], skipped: list[Skipped], output: Path, seconds: float, before: int
) -> int:
    """Print what became of all jobs; the exit code."""
    results = [job.result for job in jobs if job.status == "completed"]
    failed = [job for job in jobs if job.status != "completed"]
    made = [thumbnail["path"] for result in results for thumbnail in result["thumbnails"]]
    missing = [path for path in made if not os.path.exists(path)]  # noqa: PTH110 - may be bytes
    _list("Failed (--retry tries again)", [(job.label or job.id, _outcome(job)) for job in failed])
    _list("Cannot be read", [(_shown(entry.path), entry.reason) for entry in skipped])
    if missing:
        print(f"{len(missing)} thumbnails of earlier runs are gone. Delete {output} to make all "
              "anew.")  # fmt: skip
    now = len(jobs) - before
    rate = f"; {now} done in {seconds:.1f} s, {now / seconds:.1f} a second" if now else ""
    print(f"{len(results)} of {len(jobs)} images have their thumbnails{rate}.")
    print(f"{len(made) - len(missing)} thumbnails: {output / 'thumbnails'}")
    return 1 if failed or skipped or missing else 0


def _list(title: str, entries: list[tuple[str, str]]) -> None:
    if entries:
        print(f"{title}: {len(entries)}")
    for name, reason in entries:
        print(f"  {name}: {reason}")


def _outcome(job: Job) -> str:
    if job.error is not None:
        return _shown(f"{job.error.type}: {job.error.message}")
    if job.status != "completed":
        return job.status
    sides = ", ".join(str(max(thumbnail["size"])) for thumbnail in job.result["thumbnails"])
    width, height = job.result["size"]
    return f"{width} x {height} to {sides}"


def _shown(name: Path | str) -> str:
    """A name without what would disturb a terminal: line breaks, escapes, half characters."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(name))
