"""A server of its own process, on one port through all its lives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import sql, wait_until

APPS = Path(__file__).with_name("apps")
ENDED = "status IN ('completed', 'failed', 'cancelled')"


class Server:
    """`apps/<app>`, served by uvicorn from `folder`, which holds its file and its gates."""

    def __init__(self, app: str, folder: Path, port: int, **variables: str) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self.database = folder / "sprag.db"
        self._app = APPS / app
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None
        self._begin = 0

    def start(self, *arguments: str) -> None:
        """Start it with more arguments for uvicorn; return when it answers."""
        paths = [str(APPS), os.environ.get("PYTHONPATH")]
        variables = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), **self._variables}
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "main:app", "--app-dir", str(self._app),
             "--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning",
             "--timeout-graceful-shutdown", "1", *arguments],
            cwd=self.folder, env={**os.environ, **variables}, start_new_session=True,
        )  # fmt: skip

        def answers() -> bool:
            assert process.poll() is None, "the server ended instead of serving: see above"
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(answers)

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it and its children at once, as a machine that loses its power does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    # ------------------------------------------------------------ what it works on

    def hold(self, *places: str) -> None:
        """Jobs stay in these places."""
        for place in places:
            (self.folder / f"hold-{place}").touch()

    def let_go(self, *places: str) -> None:
        for place in places:
            (self.folder / f"hold-{place}").unlink()

    @contextmanager
    def test(self) -> Iterator[Server]:
        """For one test of several: what others left is not among the moves, and this one leaves no
        gate, no job and no file of an image."""
        if self._process is None:
            self.start()
        [(self._begin,)] = sql(self.database, "SELECT ifnull(max(seq), 0) FROM transition")
        try:
            yield self
        finally:
            for gate in self.folder.glob("hold-*"):
                gate.unlink()
        wait_until(lambda: not sql(self.database, f"SELECT 1 FROM job WHERE NOT {ENDED}"))
        for pattern in ("*.jpg", "*.txt", "*.png"):
            for file in self.folder.glob(pattern):
                file.unlink()

    def wait_finished(self, job_id: str) -> None:
        """Return when the job has come to an end, whoever is told of it."""
        ended = f"SELECT 1 FROM job WHERE id = ? AND {ENDED}"
        wait_until(lambda: bool(sql(self.database, ended, (job_id,))))

    def moves(self, job_id: str = "%") -> list[str]:
        """The journal of a job, or of all, as the recorders in the pages write it."""
        statement = """
            SELECT seq || ' ' || job.id || ' ' || transition.event || ' ' || to_status
            FROM transition JOIN job ON job.key = transition.job
            WHERE job.id LIKE ? AND seq > ? ORDER BY seq"""
        return [text for (text,) in sql(self.database, statement, (job_id, self._begin))]


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given while the block runs, whether a server is there or not."""
    with socket.socket() as holder:
        # Bound and never listening: a server with the same option may bind it too, and without
        # one the port refuses connections.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def serving(app: str, folder: Path, *arguments: str, **variables: str) -> Iterator[Server]:
    """The application on a server that has started, and ends with the block."""
    with reserved_port() as port:
        server = Server(app, folder, port, **variables)
        try:
            server.start(*arguments)
            yield server
            server.stop()
        finally:
            server.kill()
