"""A peer with a server: procrastinate on a PostgreSQL of its own, whose commits promise as much."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .subjects import WORKERS, Handler, WrongSettings, expect

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
USER = "postgres" if ROOT else None
"""As whom the server runs: it refuses to run as root."""
SYNCHRONOUS_COMMIT = {"normal": "off", "full": "on"}
START_SECONDS = 60.0


def missing(*, packages: bool = True) -> str | None:
    """Why this peer cannot be measured here, if it cannot. Without `packages`, those of this Python
    do not matter."""
    for program in ("initdb", "postgres"):
        if shutil.which(program) is None:
            return f"no PostgreSQL server is installed ({program} is not on the PATH)"
    if ROOT and shutil.which("runuser") is None:
        return "PostgreSQL does not run as root, and there is no runuser"
    if packages and (find_spec("procrastinate") is None or find_spec("psycopg") is None):
        return "procrastinate and psycopg are not installed"
    return None


def server_version() -> str:
    """The server's name and version."""
    said = subprocess.run(["postgres", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


class Server:
    """A PostgreSQL server with its data in `folder`, reached only by a socket that is there."""

    def __init__(self, folder: Path, sync: str) -> None:
        for place in (folder, folder.parent):
            place.chmod(0o711)  # its user has to come through
        data = folder / "postgres"
        data.mkdir()
        if USER is not None:
            shutil.chown(data, USER, USER)
        self.url = f"postgresql:///postgres?host={data}"
        if USER is not None:
            self.url += f"&user={USER}"
        self._as_user("initdb", "-D", str(data), "--auth=trust", "--encoding=UTF8", "--no-sync")
        settings = {
            "listen_addresses": "", "unix_socket_directories": data, "fsync": "on",
            "synchronous_commit": SYNCHRONOUS_COMMIT[sync],
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [*_prefix(), "postgres", "-D", str(data), *options],
            cwd=data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the PostgreSQL server did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server, and wait for that."""
        self._process.terminate()  # runuser passes it on
        self._process.wait()

    def _answers(self) -> bool:
        psycopg: Any = importlib.import_module("psycopg")
        try:
            with psycopg.connect(self.url):
                return True
        except psycopg.OperationalError:
            return False

    @staticmethod
    def _as_user(*command: str) -> None:
        subprocess.run([*_prefix(), *command], check=True, cwd="/", stdout=subprocess.DEVNULL)


def _prefix() -> list[str]:
    return [] if USER is None else ["runuser", "-u", USER, "--"]


class Procrastinate:
    """Jobs are deferred by a connector for threads, and run by its own worker, with as many jobs at
    once as the others have workers."""

    def __init__(self, folder: Path, sync: str) -> None:
        self._procrastinate: Any = importlib.import_module("procrastinate")
        self._psycopg: Any = importlib.import_module("psycopg")
        self._sync = sync
        self._server = Server(folder, sync)
        self._handler: Handler = lambda: None
        connector = self._procrastinate.SyncPsycopgConnector(conninfo=self._server.url)
        self._app: Any = self._procrastinate.App(connector=connector)
        self._task: Any = self._app.task(lambda n: self._handler(), name="job")
        self._app.open()
        self._app.schema_manager.apply_schema()
        self._looks: Any = self._psycopg.connect(self._server.url, autocommit=True)
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._worker: asyncio.Task[None] | None = None

    def enqueue(self) -> None:
        self._task.defer(n=1)

    def enqueue_many(self, count: int) -> None:
        self._task.batch_defer(*({"n": 1} for _ in range(count)))

    def serve(self, handler: Handler) -> None:
        self._handler = handler
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._work()))
        self._thread.start()

    async def _work(self) -> None:
        connector = self._procrastinate.PsycopgConnector(conninfo=self._server.url)
        async with self._app.with_connector(connector).open_async() as app:
            work = app.run_worker_async(concurrency=WORKERS, install_signal_handlers=False)
            self._worker = asyncio.ensure_future(work)
            await asyncio.gather(self._worker, return_exceptions=True)

    def drained(self) -> bool:
        return self._number("status IN ('todo', 'doing')") == 0

    def stop(self) -> None:
        if self._thread is not None and self._worker is not None:
            self._loop.call_soon_threadsafe(self._worker.cancel)
            self._thread.join()

    def check(self, jobs: int) -> None:
        expect("jobs succeeded", self._number("status = 'succeeded'"), jobs)
        self._close()

    def settings(self) -> Sequence[tuple[str, int]]:
        """Nothing more: this verifies the server's."""
        wanted = ("on", SYNCHRONOUS_COMMIT[self._sync])
        found = tuple(
            self._looks.execute(f"SHOW {name}").fetchone()[0]
            for name in ("fsync", "synchronous_commit")
        )
        if found != wanted:
            raise WrongSettings(f"expected fsync, synchronous_commit = {wanted}, found {found}")
        if self._thread is None:
            self._close()
        return ()

    def _number(self, which: str) -> int:
        return int(
            self._looks.execute(
                f"SELECT count(*) FROM procrastinate_jobs WHERE {which}"  # noqa: S608
            ).fetchone()[0]
        )

    def _close(self) -> None:
        self._looks.close()
        self._app.close()
        self._server.stop()
