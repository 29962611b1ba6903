"""The demo on small real images, in processes of its own: to the end, and through what ends it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest
from PIL import Image

from sprag.queue import Job, QueueService
from tests.support import DEADLINE, PATIENCE, child

PROGRAM = Path(__file__).with_name("programs") / "gated_terminal.py"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of four images; the second in order is the gate."""
    folder = tmp_path / "my images"
    (folder / "deep er").mkdir(parents=True)
    for name in ("a b's.png", "gate.jpg", 'übung "1".jpg', "deep er/[b]x.webp"):
        Image.effect_noise((480, 360), 60).save(folder / name)
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the demo puts everything."""
    return tmp_path / "out"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The demo to its end; nothing waits at the gate."""
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The demo beside the test, until the deadline."""
    with child(PROGRAM, *arguments) as process:
        watchdog = Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()


def read_until(process: subprocess.Popen[str], wanted: str) -> None:
    """Return when the process has printed a line with `wanted`."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if wanted in line:
            return
    pytest.fail(f"{wanted!r} was not printed before the end; printed: {seen}")


def open_gate(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def events(output: Path) -> dict[str, list[str]]:
    """The history of each job, by the name of its image."""
    queue = QueueService(name="thumbnails", database=output / "jobs.db")
    try:
        jobs: list[Job] = list(queue.jobs(limit=1000))
        told = {
            job.label or job.id: [str(move.event) for move in queue.history(job.id)] for job in jobs
        }
        assert len(told) == len(jobs), "an image was enqueued twice"
        return told
    finally:
        queue.stop()


def thumbnails(output: Path) -> list[str]:
    folder = output / "thumbnails"
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


ONCE = ["enqueue", "start", "complete"]
ALL = sorted(
    f"{name}-{side}.jpg"
    for name in ("a b's.png", "gate.jpg", 'übung "1".jpg', "deep er/[b]x.webp")
    for side in (1600, 800, 320)
)


def test_every_image_gets_its_thumbnails(images: Path, output: Path) -> None:
    done = run(images, "--output", output)
    assert (done.returncode, done.stderr) == (0, "")
    assert thumbnails(output) == ALL
    assert "4 of 4 images have their thumbnails" in done.stdout
    assert str(output / "thumbnails") in done.stdout
    with Image.open(output / "thumbnails" / "deep er" / "[b]x.webp-320.jpg") as small:
        assert (small.format, small.size) == ("JPEG", (320, 240))
    assert set(map(tuple, events(output).values())) == {tuple(ONCE)}


def test_a_second_run_finds_everything_done(images: Path, output: Path) -> None:
    run(images, "--output", output)
    before = events(output)
    again = run(images, "--output", output)
    assert again.returncode == 0
    assert "4 of 4 are done already" in again.stdout
    assert events(output) == before


def test_an_image_that_cannot_be_decoded_fails_alone_and_is_listed(
    images: Path, output: Path
) -> None:
    (images / "notes.jpg").write_text("not an image at all")
    (images / "half.png").write_bytes((images / "a b's.png").read_bytes()[:2000])
    done = run(images, "--output", output)
    assert done.returncode == 1
    listed = done.stdout.partition("Failed")[2]
    assert "notes.jpg: UnidentifiedImageError: cannot identify" in listed
    assert "half.png: OSError" in listed
    assert "4 of 6 images" in listed
    assert thumbnails(output) == ALL
    assert "Traceback" in (output / "demo.log").read_text()


def test_a_failed_image_is_tried_again_on_request_or_once_its_file_has_changed(
    images: Path, output: Path
) -> None:
    bad = images / "bad.jpg"
    bad.write_text("not an image at all")
    run(images, "--output", output)
    assert run(images, "--output", output).returncode == 1
    assert events(output)["bad.jpg"] == ["enqueue", "start", "fail"]
    assert run(images, "--output", output, "--retry").returncode == 1
    assert events(output)["bad.jpg"] == ["enqueue", "start", "fail", "requeue", "start", "fail"]
    (images / "gate.jpg").replace(bad)
    done = run(images, "--output", output)
    assert done.returncode == 0
    assert "bad.jpg-1600.jpg" in thumbnails(output)


def test_an_interrupt_finishes_what_is_in_work_and_the_next_run_goes_on(
    images: Path, output: Path
) -> None:
    with running(images, "--output", output, "--workers", 1) as process:
        read_until(process, "at the gate")
        process.send_signal(signal.SIGINT)
        read_until(process, "Stopping")
        open_gate(process)
        read_until(process, "of 4 are done")
        assert process.wait(DEADLINE) == 130
    told = events(output)
    assert [told["a b's.png"], told["gate.jpg"]] == [ONCE, ONCE]
    # The gate may have opened before the worker was told to take no more.
    assert all(moves in (ONCE, ["enqueue"]) for moves in told.values())
    assert run(images, "--output", output).returncode == 0
    assert list(events(output).values()) == [ONCE] * 4
    assert thumbnails(output) == ALL


def test_a_second_interrupt_gives_back_what_is_in_work_at_once(images: Path, output: Path) -> None:
    with running(images, "--output", output, "--workers", 1) as process:
        read_until(process, "at the gate")
        process.send_signal(signal.SIGINT)
        read_until(process, "Stopping")
        process.send_signal(signal.SIGINT)
        read_until(process, "1 of 4 are done")
        assert process.wait(DEADLINE) == 130
    assert events(output)["gate.jpg"] == ["enqueue", "start", "release"]
    assert run(images, "--output", output).returncode == 0
    assert events(output)["gate.jpg"] == ["enqueue", "start", "release", "start", "complete"]
    assert thumbnails(output) == ALL


def test_sigterm_ends_it_like_an_interrupt(images: Path, output: Path) -> None:
    with running(images, "--output", output, "--workers", 1) as process:
        read_until(process, "at the gate")
        process.terminate()
        read_until(process, "Stopping")
        open_gate(process)
        read_until(process, "Terminated")
        assert process.wait(DEADLINE) == 143
    assert events(output)["gate.jpg"] == ONCE


def test_after_kill_9_the_next_run_goes_on_and_makes_each_image_once(
    images: Path, output: Path
) -> None:
    with running(images, "--output", output, "--workers", 1) as process:
        read_until(process, "at the gate")
        process.kill()
        assert process.wait(DEADLINE) == -signal.SIGKILL
    done = run(images, "--output", output)
    assert done.returncode == 0
    assert "1 of 4 are done already" in done.stdout
    assert "gate.jpg: its process was killed; back in the queue" in done.stdout
    told = events(output)
    assert told.pop("gate.jpg") == ["enqueue", "start", "recover", "start", "complete"]
    assert list(told.values()) == [ONCE] * 3
    assert thumbnails(output) == ALL


def test_killing_it_again_and_again_makes_no_image_fail(images: Path, output: Path) -> None:
    for _ in range(4):
        with running(images, "--output", output, "--workers", 1) as process:
            read_until(process, "at the gate")
            process.kill()
    assert run(images, "--output", output).returncode == 0
    assert events(output)["gate.jpg"].count("recover") == 4


def test_what_a_killed_run_left_half_written_is_removed(images: Path, output: Path) -> None:
    with running(images, "--output", output, "--workers", 1) as process:
        read_until(process, "at the gate")
        process.kill()
    queue = QueueService(name="thumbnails", database=output / "jobs.db")
    [gate] = [job for job in queue.jobs() if job.label == "gate.jpg"]
    queue.stop()
    (output / "thumbnails" / f".{gate.id}-0123.partial").write_bytes(b"half a thumb")
    assert run(images, "--output", output).returncode == 0
    assert thumbnails(output) == ALL


def test_an_image_that_was_removed_meanwhile_is_withdrawn(images: Path, output: Path) -> None:
    with running(images, "--output", output, "--workers", 1) as process:
        read_until(process, "at the gate")
        process.kill()
    (images / "gate.jpg").unlink()
    (images / 'übung "1".jpg').unlink()
    done = run(images, "--output", output)
    assert done.returncode == 0
    assert "2 of 2 images" in done.stdout
    told = events(output)
    assert told["gate.jpg"] == ["enqueue", "start", "cancel", "confirm"]
    assert told['übung "1".jpg'] == ["enqueue", "cancel"]


def test_without_a_folder_it_makes_images_itself(output: Path) -> None:
    done = run("--images", 2, "--output", output)
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(output / "images" / "picture-002.jpg") as made:
        assert made.size == (4000, 3000)
    assert len(thumbnails(output)) == 6
    before = {path.name: path.stat().st_mtime_ns for path in (output / "images").iterdir()}
    assert "2 of 2 are done already" in run("--images", 2, "--output", output).stdout
    after = {path.name: path.stat().st_mtime_ns for path in (output / "images").glob("*.jpg")}
    assert after.items() <= before.items()


def test_on_a_terminal_it_shows_a_bar_for_all_and_one_for_each_that_runs(
    images: Path, output: Path
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, str(PROGRAM), str(images), "--output", str(output)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [*command, "--workers", "1"], stdin=theirs, stdout=theirs, env=environment
    ) as process:
        os.close(theirs)
        watchdog = Timer(PATIENCE, process.kill)
        watchdog.start()
        screen = b""
        # Held at the gate, the bars stay until they have been drawn.
        while not (b"all images" in screen and b"1/4" in screen and b"gate.jpg" in screen):
            screen += os.read(ours, 4096)
        os.write(ours, b"\n")
        while b"4 of 4 images have their thumbnails" not in screen:
            screen += os.read(ours, 4096)
        assert process.wait(DEADLINE) == 0
        watchdog.cancel()
    os.close(ours)


@pytest.mark.parametrize("given", ["missing", "file", "empty"])
def test_a_folder_that_cannot_be_used_is_refused_in_plain_words(
    given: str, tmp_path: Path, output: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / given, "--output", output)
    said = {"missing": "does not exist", "file": "is no folder", "empty": "No images in"}
    assert done.returncode == 2
    assert said[given] in done.stderr
    assert "Traceback" not in done.stderr
