from __future__ import annotations

import json
import re
import select
import signal
import subprocess
from pathlib import Path

import pytest

from sprag.queue import QueueService
from tests.cli import terminal
from tests.cli.conftest import HOSTILE, Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, finished

FIELDS = {
    "signal", "job_id", "queue", "task", "status", "event", "seq", "attempt", "at", "progress",
    "audience", "tick",
}  # fmt: skip
ALTERNATE, MAIN = "\x1b[?1049h", "\x1b[?1049l"


def read(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


def test_a_terminal_shows_bars_and_counts_and_is_as_before_after_ctrl_c(
    database: Path, make_queue: MakeQueue
) -> None:
    gate = Gate()

    def handle(queue: QueueService, item: int) -> None:
        queue.report_progress(item, 20, message=HOSTILE)
        gate.hold()

    queue = make_queue(handle, name="images", worker_count=2).start()
    jobs = [queue.enqueue(5, label="one [bold]\x9b"[:10]), queue.enqueue(15)]
    gate.wait_held(2)
    try:
        with terminal.screen("watch", "-d", database, columns=120) as shown:
            shown.wait_for(lambda seen: "━" in seen and "25% 5/20" in seen and "75% 15/20" in seen)
            late = queue.enqueue(1)
            queue.cancel(late.id)
            shown.wait_for(lambda seen: late.id[:13] in seen and "cancelled" in seen)
            shown.process.send_signal(signal.SIGINT)
            code, output = shown.end()
    finally:
        gate.open()
    assert code == 130
    assert "one [bold]" in output
    assert "images" in output
    assert re.search(r"RUNNING 2", output)
    assert HOSTILE[:8] not in output
    assert r"\x1b]0;title" in output
    assert output.count(ALTERNATE) == output.count(MAIN) == 1
    # The last picture stays on the screen.
    assert jobs[0].id[:13] in output.partition(MAIN)[2]


def test_sigterm_gives_the_terminal_back(ended: Ended, database: Path) -> None:
    with terminal.screen("watch", "-d", database) as shown:
        shown.wait_for(lambda seen: "NO JOB RUNS" in seen)
        shown.process.send_signal(signal.SIGTERM)
        code, output = shown.end()
    assert code == 143
    assert output.count(ALTERNATE) == output.count(MAIN) == 1


@pytest.mark.parametrize(("columns", "rows"), [(20, 5), (80, 24), (200, 60)])
def test_a_picture_fits_the_terminal(
    ended: Ended, database: Path, make_queue: MakeQueue, columns: int, rows: int
) -> None:
    for number in range(12):
        queue = make_queue(name=f"queue-with-a-long-name-{number}")
        queue.enqueue(HOSTILE)
        queue.stop()
    with terminal.screen("watch", "-d", database, columns=columns, rows=rows) as shown:
        shown.wait_for(lambda seen: seen.count("\x1b[H") >= 4)
        shown.process.send_signal(signal.SIGINT)
        code, output = shown.end()
    assert code == 130
    frames = output.partition(MAIN)[0].split("\x1b[H")[1:]
    assert any("sprag" in frame or "jobs.db" in frame or "JOBS" in frame for frame in frames)
    for frame in frames:
        lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame).splitlines()
        assert len(lines) <= rows + 1
        assert max(map(len, lines), default=0) <= columns


def test_jobs_that_are_named_are_watched_until_they_have_ended(
    database: Path, make_queue: MakeQueue
) -> None:
    gate = Gate()
    queue = make_queue(lambda queue, item: gate.hold(), name="images").start()
    jobs = [queue.enqueue(1), queue.enqueue(2)]
    with terminal.screen("watch", *(job.id for job in jobs), "-d", database) as shown:
        shown.wait_for(lambda seen: "JOBS" in seen)
        gate.open()
        assert shown.end()[0] == 0


def test_in_a_terminal_without_abilities_lines_are_printed(ended: Ended, database: Path) -> None:
    with terminal.screen("watch", ended.failed.id, "-d", database, TERM="dumb") as shown:
        code, output = shown.end()
    assert (code, output.strip()) == (1, f"job {ended.failed.id} had already ended: it is failed")


def test_a_pipe_gets_a_line_for_each_move(ended: Ended, database: Path, sprag: Sprag) -> None:
    answer = sprag("watch", ended.failed.id, ended.completed.id, "--after", "0")
    assert answer.code == 1
    told = [line.split("  ")[3:6] for line in answer.out.splitlines()]
    assert [words for words in told if words[0] == ended.failed.id and words[2] != "progress"] == [
        [ended.failed.id, "queued", "enqueue"],
        [ended.failed.id, "running", "start"],
        [ended.failed.id, "queued", "retry"],
        [ended.failed.id, "running", "start"],
        [ended.failed.id, "failed", "fail"],
    ]
    assert "ValueError: evil" in answer.out
    assert "\x1b" not in answer.out
    assert sprag("watch", ended.completed.id, "--after", "0").code == 0


def test_json_gives_one_signal_a_line_and_resumes_after_a_seq(ended: Ended, sprag: Sprag) -> None:
    def watched(after: int) -> list[dict[str, object]]:
        answer = sprag("watch", "--json", "--after", after, ended.failed.id, ended.completed.id)
        return [json.loads(line) for line in answer.out.splitlines()]

    signals = watched(0)
    assert all(set(signal_) == FIELDS for signal_ in signals)
    assert {signal_["signal"] for signal_ in signals} == {"sprag:queue.job.changed"}
    moves = [signal_ for signal_ in signals if signal_["event"] != "progress"]
    seqs = [int(str(signal_["seq"])) for signal_ in moves]
    assert seqs == sorted(seqs)
    assert len(moves) == 8
    later = [signal_ for signal_ in watched(seqs[2]) if signal_["event"] != "progress"]
    assert later == moves[3:]
    assert watched(10**30) == []


def test_what_other_processes_do_is_seen_live_with_its_progress(
    database: Path, make_queue: MakeQueue
) -> None:
    gate = Gate()

    def handle(queue: QueueService, item: object) -> None:
        gate.hold()
        queue.report_progress(1, 4, message="quarter")

    queue = make_queue(handle, name="images").start()
    first = queue.enqueue(0)
    gate.wait_held()
    with terminal.beside("watch", "--json", "-q", "images", "-d", database) as process:
        # From now on means from its start on, which shows when something comes: cancel until so.
        seen = announced(process, queue)
        gate.open()
        finished(queue, first)
        while (seen["job_id"], seen["status"]) != (first.id, "completed"):
            (line,) = read(process, 1)
            seen = json.loads(line)
            assert seen["queue"] == "images"
            if (seen["job_id"], seen["event"]) == (first.id, "progress"):
                assert seen["progress"]["percent"] == 25
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == ""


def announced(process: subprocess.Popen[str], queue: QueueService) -> dict[str, object]:
    """The first signal that the watching process prints: jobs are made until it does."""
    assert process.stdout is not None
    while True:
        queue.enqueue(1, delay=3600)
        if select.select([process.stdout], [], [], 0.1)[0]:
            told: dict[str, object] = json.loads(process.stdout.readline())
            return told


def test_other_queues_are_left_out(ended: Ended, database: Path, make_queue: MakeQueue) -> None:
    other = make_queue(name="other")
    job = other.enqueue(1)
    command = ["watch", "--json", "--after", "0", "-q", "other", "-q", "third", "-d", database]
    with terminal.beside(*command) as process:
        assert json.loads(read(process, 1)[0])["job_id"] == job.id


def test_a_reader_that_leaves_ends_it(database: Path, make_queue: MakeQueue) -> None:
    queue = make_queue(name="images")
    queue.enqueue_many(range(50))
    with terminal.beside("watch", "--json", "--after", "0", "-d", database) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        while process.poll() is None:
            queue.enqueue_many(range(1000))
        assert process.returncode == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_job_that_is_not_there_cannot_be_watched(ended: Ended, sprag: Sprag) -> None:
    assert sprag("watch", "f" * 32, "--json").error["kind"] == "job_not_found"


def test_jobs_that_had_ended_before_are_named(ended: Ended, sprag: Sprag) -> None:
    done = sprag("watch", ended.completed.id)
    assert (done.code, done.out) == (0, "")
    assert done.err == f"job {ended.completed.id} had already ended: it is completed\n"
    failed = sprag("watch", ended.completed.id, ended.failed.id)
    assert failed.code == 1
    assert f"job {ended.failed.id} had already ended: it is failed" in failed.err
