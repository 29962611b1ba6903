"""Everything that a queue does, in small, on a disk that fails on the way; and the verdict."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import _oracle as oracle
from sprag.queue import (
    DatabaseFull,
    DatabaseLocked,
    Job,
    JobNotFound,
    QueueError,
    QueueService,
    Subscription,
    new_job_id,
)
from sprag.queue.service import life_of
from sprag.queue.work.running import RunningJob

from .trigger import Trigger

R = TypeVar("R")

DEADLINE: Final = 60.0
_WORKERS: Final = 2
# Checkpoints begin at 2,000 pages; a workload of that size would be a slow one.
_PAGES: Final = 12
_PROBES_MEET: Final = 0.2


class Wrong(Exception):
    """The queue did what it must not, or did not what it must."""


class _Queue(QueueService):
    name = "work"
    worker_count = _WORKERS
    backoff = 0.0
    grace_seconds = 0.0
    # Long enough for what two connections of this process do to each other on a busy machine.
    busy_seconds = 0.25

    pass_: Pass

    def handle_item(self, item: dict[str, str]) -> Any:
        return self.pass_.handle(self, item)


class Pass:
    """One pass of the workload over the file `path`, opened with `vfs`.

    What fails is to fail with a QueueError. Once the fault is gone, what failed
    is asked for again and must succeed, and all else must go on by itself. With
    `stop_under`, the queue is stopped while a lasting fault is there.
    """

    def __init__(
        self, path: Path, vfs: str | None, trigger: Trigger, *, stop_under: bool = False
    ) -> None:
        self._path = path
        self._vfs = vfs
        self._trigger = trigger
        self._stop_under = stop_under
        self.problems: list[str] = []
        self.errors = Counter[str]()
        """What was raised, by class."""
        self._accepted: list[str] = []
        self._promised: list[tuple[str, str]] = []
        self._refused: list[tuple[str, ...]] = []
        self._offered: list[tuple[str, ...]] = []
        self._told: list[tuple[int, str, str, str]] = []
        self._subscription: Subscription | None = None
        self._runs = Counter[str]()
        self._mutex = threading.Lock()
        self._looking = threading.Event()
        self._inside: set[str] = set()
        self._met = threading.Event()
        self._lenient = False
        self._pause = threading.Event()
        self._queue: QueueService = self._made()

    # ------------------------------------------------------------ the verdict

    def run(self) -> list[str]:
        """What was wrong; nothing, if all went as it must."""
        files, before = open_files(), set(threading.enumerate())
        hook, threading.excepthook = threading.excepthook, self._died
        thread = threading.Thread(target=self._guarded, name="workload", daemon=True)
        try:
            thread.start()
            thread.join(3 * DEADLINE)
            if thread.is_alive():
                self.problems.append(f"it hangs:\n{_stacks()}")
                return self.problems
        finally:
            self._trigger.lift()
            threading.excepthook = hook
        for other in threading.enumerate():
            if other not in before and other is not thread and other.ident is not None:
                other.join(DEADLINE)
                if other.is_alive():
                    self.problems.append(f"{other.name} is left over:\n{_stacks()}")
        left = open_files() - files
        left = Counter({name: n for name, n in left.items() if str(self._path.parent) in name})
        if left:
            self.problems.append(f"left open: {dict(left)}")
        if not self.problems:
            self._audit()
        return self.problems

    def _guarded(self) -> None:
        try:
            self._steps()
        except Wrong as wrong:
            self.problems.append(str(wrong))
        except BaseException:  # noqa: BLE001  # whatever it is, it is the verdict
            self.problems.append(traceback.format_exc())
        finally:
            self._trigger.lift()
            self._lenient = True
            self._met.set()
            try:
                self._queue.stop()
            except BaseException:  # noqa: BLE001  # as above
                self.problems.append(traceback.format_exc())

    def _died(self, args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread is not None else "?"
        told = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        self.problems.append(f"{name} died: {''.join(told)}")

    def _audit(self) -> None:
        """Whether the file, which nobody has open, agrees with all that was said."""
        # Of a copy, which may be recovered: the next opening is to find the file as it was left.
        copy = Path(tempfile.mkdtemp(dir=self._path.parent)) / self._path.name
        for suffix in ("", "-wal"):
            if Path(f"{self._path}{suffix}").exists():
                shutil.copy(f"{self._path}{suffix}", f"{copy}{suffix}")
        with closing(sqlite3.connect(copy)) as connection:
            self.problems += oracle.audit(connection)
            file = oracle.read(connection)
            items = Counter(
                name for (name,) in connection.execute("SELECT item ->> 'name' FROM job")
            )
        for id_ in set(self._accepted) - file.jobs.keys():
            self.problems.append(f"job {id_} was acknowledged and is lost")
        for id_, event in self._promised:
            job = file.jobs.get(id_)
            if job is None or event not in [move.event for move in job.moves]:
                self.problems.append(f"{event} of {id_} was acknowledged and is lost")
        self._audit_items(items)
        self._audit_told(file)
        for job in file.jobs.values():
            starts = [move.event for move in job.moves].count("start")
            if self._runs[job.id] > starts:
                self.problems.append(
                    f"{job.id} was run {self._runs[job.id]} times and started {starts} times"
                )
            if job.status in oracle.HELD:
                self.problems.append(f"{job.id} is left {job.status}")

    def _audit_items(self, items: Counter[str]) -> None:
        for names in self._offered:
            stored = {items[name] for name in names}
            # Repeated under its id, a job is stored once; a batch that failed, perhaps twice.
            if len(stored) > 1 or (len(names) == 1 and max(stored) > 1):
                self.problems.append(f"of {names}, stored is {[items[name] for name in names]}")
        for names in self._refused:
            if any(items[name] for name in names):
                self.problems.append(f"{names} was stored, and its caller was told that it was not")

    def _audit_told(self, file: oracle.File) -> None:
        newest = file.moves[-1].seq if file.moves else 0
        seqs = [seq for seq, *_ in self._told]
        if seqs != sorted(set(seqs)):
            self.problems.append(f"signals out of order, or twice: {seqs}")
        by_key = {job.key: job.id for job in file.jobs.values()}
        for seq, id_, event, status in self._told:
            move = file.move(seq)
            if move is None:
                if seq > newest or id_ in file.jobs:
                    self.problems.append(f"{event} of {id_} was told as {seq}, and is not there")
            elif (by_key[move.key], move.event, move.target) != (id_, event, status):
                self.problems.append(f"{event} of {id_} was told as {seq}, which is {move}")

    # ------------------------------------------------------------ the handler, the subscriber

    def handle(self, queue: QueueService, item: dict[str, str]) -> Any:
        """One job, of the kind that its item says."""
        job = queue.current_job
        with self._mutex:
            self._runs[job.id] += 1
            runs = self._runs[job.id]
        match item["do"]:
            case "work":
                job.report_progress(1, 2, message="half")
            case "retry" if job.attempt == 1:
                raise ValueError("not yet")
            case "fail" if not self._lenient:
                raise ValueError("it is so")
            case "look":
                self._looking.set()
                while True:
                    job.check_cancelled()
                    self._pause.wait(0.002)
            case "meet":
                self._meet(job)
            case _:
                pass
        return runs

    def _meet(self, job: RunningJob) -> None:
        """Return when as many jobs are inside at once as there are workers."""
        self._inside.add(job.id)
        try:
            while not self._met.is_set():
                job.check_cancelled()
                if len(self._inside) == _WORKERS:
                    self._met.set()
                self._pause.wait(0.002)
        finally:
            self._inside.discard(job.id)

    def _hear(self, signal: dict[str, Any]) -> None:
        if signal["event"] != "progress":
            self._told.append((signal["seq"], signal["job_id"], signal["event"], signal["status"]))

    # ------------------------------------------------------------ what is done

    def _steps(self) -> None:
        self._do("open", self._counts)
        self._shorten()
        first = self._enqueue("first", "work")
        batch = self._do_enqueue(
            ("a", "b"),
            lambda: self._queue.enqueue_many([_item("a", "work"), _item("b", "work")]),
        )
        later = self._enqueue("later", "work", delay=1000.0)
        self._cancel(later)
        self._do("subscribe", self._subscribe)
        self._do("start", self._start)
        looking = self._enqueue("looking", "look")
        self._wait(self._looking.is_set, "the start of a job")
        failing = self._enqueue("failing", "fail")
        retried = self._enqueue("retried", "retry", max_attempts=2)
        self._cancel(looking)
        self._ends(first, *batch, failing, retried, looking)
        self._do("get", lambda: self._queue.get(first))
        self._do("jobs", lambda: self._queue.jobs(limit=3))
        self._do("history", lambda: self._queue.history(retried))
        self._lenient = True
        for id_ in (failing, later):
            self._requeue(id_)
        self._ends(failing, later)
        self._alive()
        self._do("backup", self._backup)
        self._end()
        self._audit()
        if self.problems:
            return
        self._do("reopen", lambda: self._queue.get(retried))
        self._shorten()
        self._do("start again", self._start)
        self._ends(self._enqueue("last", "work"))
        self._do("prune", lambda: self._queue.prune(keep=4))
        # Whoever was pruned can no longer be looked for.
        for known in (self._accepted, self._promised, self._offered, self._refused):
            known.clear()
        self._ends(self._enqueue("once more", "work"))
        self._end()

    def _alive(self) -> None:
        """Every thread does its part: workers, keeper, subscriber."""
        meetings = [self._enqueue(f"meet {n}", "meet") for n in range(_WORKERS)]
        due = self._enqueue("due", "work", delay=0.01)
        self._ends(*meetings, due)
        newest = max(move.seq for move in self._do("history", lambda: self._queue.history(due)))
        self._wait(lambda: self._seen() >= newest, "the last signal")

    def _shorten(self) -> None:
        """Make checkpoints come early, beside the writer and by the writer."""
        engine = life_of(self._queue).engine
        if engine is not None:
            checkpoints = engine.database.checkpoints
            checkpoints.beside_pages = _PAGES
            checkpoints.most_pages = checkpoints.wait_pages = 2 * _PAGES

    def _backup(self) -> None:
        copy = self._path.with_name("copy.db")
        copy.unlink(missing_ok=True)
        self._queue.backup(copy)

    def _enqueue(self, name: str, do: str, **options: Any) -> str:
        id_ = new_job_id()
        (stored,) = self._do_enqueue(
            (name,), lambda: [self._queue.enqueue(_item(name, do), job_id=id_, **options)]
        )
        return stored

    def _do_enqueue(self, names: tuple[str, ...], call: Callable[[], list[Job]]) -> list[str]:
        self._offered.append(names)
        jobs = self._do(f"enqueue {names}", call)
        self._accepted += [job.id for job in jobs]
        return [job.id for job in jobs]

    def _cancel(self, id_: str) -> None:
        self._do("cancel", lambda: self._queue.cancel(id_))
        self._promised.append((id_, "cancel"))

    def _requeue(self, id_: str) -> None:
        def requeue() -> None:
            # The repetition of one whose fate was unknown may find it done.
            if self._queue.get(id_).status in ("failed", "cancelled"):
                self._queue.requeue(id_)

        self._do("requeue", requeue)
        self._promised.append((id_, "requeue"))

    def _ends(self, *ids: str) -> None:
        for id_ in ids:
            self._wait(lambda id_=id_: self._ended(id_), f"the end of {id_}")  # type: ignore[misc]

    def _ended(self, id_: str) -> bool:
        try:
            return self._queue.get(id_).finished
        except JobNotFound:
            raise Wrong(f"job {id_} was acknowledged and is lost") from None
        except QueueError as error:
            self._note("get", error)
            return False

    def _end(self) -> None:
        """Stop, and go on with a new queue."""
        self._queue.stop()
        self._subscription = None
        self._under_fault()
        self._queue.stop()
        self._queue = self._made()

    def _made(self) -> QueueService:
        queue = _Queue(database=self._path, vfs=self._vfs)
        queue.pass_ = self
        return queue

    # ------------------------------------------------------------ how it is done

    def _do(self, what: str, call: Callable[[], R]) -> R:
        """Its result. Where it fails, again, once the fault is gone."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                result = call()
            except QueueError as error:
                self._note(what, error)
                if not self._trigger.met.is_set():
                    raise Wrong(f"{what} failed on a sound disk: {error!r}") from error
                if time.monotonic() > deadline:
                    raise Wrong(f"{what} does not recover: {error!r}") from error
                self._under_fault()
                # A full disk has room again only when the room set aside is back.
                self._pause.wait(0.005)
            else:
                self._under_fault()
                return result

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            self._under_fault()
            if time.monotonic() > deadline:
                jobs = self._queue.jobs().jobs
                raise Wrong(f"{what} did not come to pass: {jobs}\n{_stacks()}")
            self._pause.wait(0.002)

    def _note(self, what: str, error: QueueError) -> None:
        self.errors[type(error).__name__] += 1
        if str(self._path.parent) not in str(error):
            raise Wrong(f"{what} failed without naming the file: {error!r}") from error

    def _under_fault(self) -> None:
        """While a fault lasts: everything answers, with a clear error if need be. Then lift it."""
        if not self._trigger.lasts:
            return
        id_ = new_job_id()
        queue = self._queue
        probes: dict[str, Callable[[], Any]] = {
            "counts": queue.counts,
            "jobs": lambda: queue.jobs(limit=3),
            "get": lambda: queue.get(id_),
            "cancel": lambda: queue.cancel(id_),
            "history": lambda: queue.history(id_),
            "requeue": lambda: queue.requeue(id_),
            "prune": lambda: queue.prune(older_than=10_000),
            "subscribe": lambda: queue.subscribe(_deaf).close(),
            "start": queue.start if life_of(queue).pool is not None else lambda: None,
        }
        for what, probe in probes.items():
            try:
                probe()
            except JobNotFound:
                pass
            except QueueError as error:
                self._note(what, error)
        try:
            job = queue.enqueue(_item("probe", "work"), job_id=id_)
        except (DatabaseFull, DatabaseLocked) as error:
            self._note("enqueue", error)
            self._refused.append(("probe",))
        except QueueError as error:
            self._note("enqueue", error)
            self._offered.append(("probe",))
        else:
            self._accepted.append(job.id)
        if self._stop_under:
            running = life_of(queue).pool is not None
            queue.stop()
            self._trigger.lift()
            self._queue = self._made()
            if self._subscription is not None:
                self._do("subscribe", self._subscribe)
            if running:
                self._do("start", self._start)
            self._shorten()
        self._trigger.lift()

    def _counts(self) -> None:
        self._queue.counts()

    def _start(self) -> None:
        self._queue.start()

    def _subscribe(self) -> None:
        """Listen, from where the last subscription ended."""
        if self._subscription is not None:
            self._subscription.close()
        self._subscription = self._queue.subscribe(self._hear, after=self._seen())

    def _seen(self) -> int:
        return self._told[-1][0] if self._told else 0


def _deaf(_signal: dict[str, Any]) -> None:
    pass


def _item(name: str, do: str) -> dict[str, str]:
    return {"name": name, "do": do}


def open_files() -> Counter[str]:
    """How often each file is open in this process; none of them where the system does not say."""
    found = Counter[str]()
    folder = Path("/proc/self/fd")
    for link in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):  # the one that lists the folder is gone
            found[str(link.readlink())] += 1
    return found


def _stacks() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"-- {names.get(ident)}\n{''.join(traceback.format_stack(frame)[-6:])}"
        for ident, frame in sys._current_frames().items()
    )
