"""What sprag makes of a damaged file: each way of using it ends in an answer or in one clear error.

Beside it, plain SQLite and the oracle say what there was to read and what is wrong with it.
"""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, Final

from sprag.cli import main
from sprag.queue import (
    PayloadError,
    QueueError,
    WaitTimeout,
)

from .hearing import Ear, listening
from .sight import sight
from .specimens import KINDS, QUEUES, Files, Work, lay

CODES: Final = (0, 1, 2, 3)
_STOP_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.25
# Records in the log that are no job's: some for each worker and each part that looks again.
_RECORDS: Final = 60


class Examination:
    """Everything that is tried on one damaged file; `problems` is what came of it."""

    def __init__(self, name: str, files: Files, room: Path, *, full: bool = True) -> None:
        self.name = name
        self._full = full
        self.problems: list[str] = []
        self._files = files
        self._room = room
        self._patience = 20.0
        self.seen = sight(lay(files, room / "plain"))

    def run(self) -> list[str]:
        """What is wrong with what sprag did."""
        with listening() as ear:
            self._service(lay(self._files, self._room / "service"))
            self._flood(ear)
        with listening() as ear:
            self._program(lay(self._files, self._room / "program"))
            self._flood(ear)
        shutil.rmtree(self._room, ignore_errors=True)
        return self.problems

    def _flood(self, ear: Ear) -> None:
        self.problems += ear.deaths
        if len(ear.records) > _RECORDS:
            self.problems.append(f"{len(ear.records)} log records, such as {ear.records[-1]!r}")

    def _told(self, what: str, use: Callable[[], Any]) -> Any:
        """The answer, or the QueueError; everything else that is raised is a problem."""
        begun = time.monotonic()
        try:
            answer = use()
        except QueueError as error:
            answer = error
            if "\n" in str(error) or not str(error):
                self.problems.append(f"{what} raised {error!r}: no sentence")
        except Exception as error:  # noqa: BLE001 - what must not come is what is looked for
            trace = "".join(traceback.format_tb(error.__traceback__)[-3:])
            self.problems.append(f"{what} raised {error!r:.200}\n{trace}")
            answer = error
        if time.monotonic() - begun > self._patience + _STOP_SECONDS:
            self.problems.append(f"{what} took {time.monotonic() - begun:.0f} s")
        return answer

    # ------------------------------------------------------------ as a program that imports sprag

    def _service(self, path: Path) -> None:
        services = [kind(database=path) for kind in KINDS]
        try:
            self._look(services)
            self._change(services)
            self._work(services)
        finally:
            for service in services:
                self._told("stop", service.stop)
        if not self._spoilt():
            after = sight(path)
            if after.problems:
                self.problems.append(f"a sound file was spoilt: {after.problems[:3]}")

    def _look(self, services: list[Work]) -> None:
        opened = self._told("counts", services[0].counts)
        if isinstance(opened, Exception):
            if not self._spoilt() and not self._may_refuse():
                self.problems.append(f"a sound file was refused: {opened!r}")
            return
        for service in services:
            self._told("counts", service.counts)
            listed = self._told("jobs", partial(service.jobs, limit=1000))
            mine = [id_ for id_, (queue, _status) in self.seen.jobs.items()
                    if queue == service.name]  # fmt: skip
            if not isinstance(listed, Exception):
                missing = set(mine) - {job.id for job in listed}
                if missing and self.seen.sound:
                    self.problems.append(f"jobs() leaves out {sorted(missing)[:3]}")
                for job in listed:
                    self._shown(job)
            elif not self._spoilt() and "UTF-8" not in str(listed):
                self.problems.append(f"jobs() fails as a whole: {listed!r}")
            for id_ in mine:
                job = self._told("get", partial(service.get, id_))
                if isinstance(job, Exception) and self.seen.own_schema:
                    self.problems.append(f"job {id_} can be read, but get says {job!r}")
                history = self._told("history", partial(service.history, id_))  # fmt: skip
                if isinstance(history, Exception) and not self._spoilt():
                    self.problems.append(f"history says {history!r}")
        subscription = self._told(
            "subscribe", lambda: services[0].subscribe(lambda signal: None, after=0)
        )
        if not isinstance(subscription, Exception):
            self._told("close", lambda: subscription.close(5.0))

    def _shown(self, job: Any) -> None:
        for what in ("item", "result"):
            try:
                getattr(job, what)
            except PayloadError:
                pass
            except Exception as error:  # noqa: BLE001 - see _told
                self.problems.append(f"{what} of a job raised {error!r:.200}")

    def _spoilt(self) -> bool:
        """Whether SQLite or the oracle minds something, or the schema is not ours any more."""
        return bool(not self.seen.sound or self.seen.problems != [] or not self.seen.own_schema)

    def _may_refuse(self) -> bool:
        """Whether what is wrong is nothing that SQLite or the oracle would mind."""
        return (
            not self.seen.own_schema or not self.seen.own_header
            or self.name.startswith(("versions for", "page size", "no file"))
        )  # fmt: skip

    def _change(self, services: list[Work]) -> None:
        queued = [
            id_ for id_, (queue, status) in self.seen.jobs.items()
            if (queue, status) == ("work", "queued")
        ]  # fmt: skip
        for id_ in queued[-1:]:
            self._told("cancel", partial(services[0].cancel, id_))
            self._told("requeue", partial(services[0].requeue, id_))
        self._told("pause", lambda: services[1].pause("damaged"))
        self._told("paused", lambda: services[1].paused)
        self._told("resume", services[1].resume)
        self._told("prune", lambda: services[1].prune(keep=3))
        target = self._room / "copy.db"
        self._told("backup", lambda: services[0].backup(target))
        if target.exists():
            # As the file is now: what was done since may have spoilt a damaged one further.
            now = sight(Path(services[0].path))
            if sight(target).problems is None and now.problems is not None:
                self.problems.append("the backup is worse than the file")
            target.unlink()
        if list(self._room.glob("copy.db*")):
            self.problems.append("a failed backup was left behind")

    def _work(self, services: list[Work]) -> None:
        added = self._told("enqueue", lambda: services[0].enqueue("added"))
        started = [self._told("start", service.start) for service in services]
        if any(isinstance(answer, Exception) for answer in started) or not self.seen.sound:
            threading.Event().wait(_LOOK_SECONDS)
            return
        if not self.seen.own_schema or self.name.startswith(("journal: seq", "move: ")):
            # Nobody can say whose fault it is that jobs do not run.
            threading.Event().wait(_LOOK_SECONDS)
            return
        ends = ("queued",) if self._strays() else ("queued", "running", "cancelling")
        waiting = [
            (id_, queue) for id_, (queue, status) in self.seen.jobs.items()
            if queue in QUEUES and status in ends
        ]  # fmt: skip
        if not isinstance(added, Exception):
            waiting.append((added.id, "work"))
        end = time.monotonic() + self._patience
        stuck = []
        for id_, queue in waiting:
            service = services[QUEUES.index(queue)]
            job = self._told("get", partial(service.get, id_))
            if isinstance(job, Exception) or job.due_at > time.time() + 60:
                continue
            left = max(end - time.monotonic(), 0.01)
            ended = self._told("wait", partial(service.wait, id_, left))  # fmt: skip
            if isinstance(ended, WaitTimeout):
                stuck.append(f"{id_} ({ended.status})")
        if stuck:
            self.problems.append(f"{len(stuck)} of {len(waiting)} jobs do not run: {stuck[:3]}")

    def _strays(self) -> bool:
        """Whether nobody can tell that the process is dead which ran the jobs."""
        return self.name.startswith("owner")

    # ------------------------------------------------------------ as a person at a terminal

    def _program(self, path: Path) -> None:
        ids = [*self.seen.jobs][:1] + [*self.seen.jobs][-2:]
        self._check(path)
        looks = [["list"], ["list", "--json"], ["counts", "--json"]]
        looks += [[*show, id_] for id_ in ids[:1] for show in (["show"], ["show", "--json"])]
        more = [
            ["list", "-n", "1000"], *(["show", id_] for id_ in ids[1:]),
            ["list", "-s", "failed", "-q", "work"], ["counts"], ["show", "0123"],
            *(["show", "--full", id_] for id_ in ids), *(["watch", id_] for id_ in self._ended()),
        ]  # fmt: skip
        copy = ["backup", str(self._room / "copy.db")]
        moves = [
            ["recover", "--json"], ["recover", "--owner", "1", "--yes"],
            ["recover", "--owner", "2", "--yes", "--force"],
            *(["cancel", id_] for id_ in ids[:1]), *(["requeue", id_] for id_ in ids[:1]),
            ["requeue", "-s", "failed", "-y"], ["prune", "--keep", "2", "-y"],
            ["pause", "work"], ["resume", "work"], ["enqueue", "work", "1"],
            ["enqueue", "new", "--json", "{}"],
        ]  # fmt: skip
        for words in (*looks, *(more if self._full else ()), copy, *moves):
            self.command("-d", str(path), *words)
        (self._room / "copy.db").unlink(missing_ok=True)

    def _ended(self) -> list[str]:
        """A job whose end `watch` need not wait for."""
        ends = ("completed", "failed")
        return [id_ for id_, (_queue, status) in self.seen.jobs.items() if status in ends][:1]

    def _check(self, path: Path) -> None:
        """`sprag check` and the oracle are of one mind."""
        code, out = self.command("-d", str(path), "check", "--json")
        self.command("-d", str(path), "check")
        if self.seen.problems is None or code == 3 or not path.exists():
            return
        try:
            found = [
                problem for problem in json.loads(out)["problems"] if problem["kind"] != "owners"
            ]
        except (ValueError, LookupError):
            self.problems.append(f"check --json answered with {out[:200]!r}")
            return
        told = [problem for problem in self.seen.problems if "its owner" not in problem]
        if told and not found and code == 0:
            self.problems.append(f"check is content, the oracle says {told[:3]}")
        if found and not self.seen.problems and not self._may_refuse():
            self.problems.append(f"the oracle is content, check says {found[:3]}")

    def command(self, *words: str) -> tuple[int, str]:
        """Run the program here; its exit code and what it printed."""
        out, err = io.StringIO(), io.StringIO()
        what = f"sprag {' '.join(words[2:])}"
        code = -1
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = main(words)
            except BaseException as error:  # noqa: BLE001 - see _told
                trace = "".join(traceback.format_tb(error.__traceback__)[-3:])
                self.problems.append(f"{what} raised {error!r:.200}\n{trace}")
                return 1, ""
        if code not in CODES:
            self.problems.append(f"{what} ended with {code}")
        if "Traceback (most recent call last)" in err.getvalue():
            self.problems.append(f"{what} printed a traceback: {err.getvalue()[-400:]}")
        if code and not (err.getvalue() or out.getvalue()).strip():
            self.problems.append(f"{what} ended with {code} and said nothing")
        return code, out.getvalue()
