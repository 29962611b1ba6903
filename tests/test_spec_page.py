"""Queues as people write them first: plain classes, untouched, at work on real files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sprag.queue import QueueService, Signal
from tests.conftest import MakeQueue
from tests.support import DEADLINE, Gate, Seen

IMAGE_QUEUE = """
from sprag import QueueService

class ImageQueue(QueueService):
    name = "image_processing"
    worker_count = 4  # Process up to 4 jobs concurrently

    def handle_item(self, item):
        file_path = item["file_path"]
        resize_to = item.get("resize_to", (800, 600))

        self.report_progress(current=1, total=3, message="Loading image...")
        image = load_image(file_path)

        self.check_cancelled()  # Raises if cancelled

        self.report_progress(current=2, total=3, message="Resizing...")
        resized = resize(image, resize_to)

        self.report_progress(current=3, total=3, message="Saving...")
        output_path = save(resized)

        return {"output": output_path}
"""

CHUNKS = """
def handle_item(self, item):
    for chunk in process_chunks(item):
        self.check_cancelled()  # Raises if cancel was requested
        self.report_progress(current=chunk.index, total=chunk.total)
    return chunk.result
"""

HALFWAY = """
def handle_item(self, item):
    self.report_progress(current=5, total=10, message="Halfway there...")
"""


@dataclass
class Studio:
    """What the image queue calls: on real files, held wherever a gate is set."""

    folder: Path
    loading: Gate | None = None
    resizing: Gate | None = None
    resized: int = 0

    def load_image(self, file_path: str) -> Image.Image:
        if self.loading is not None:
            self.loading.hold()
        with Image.open(file_path) as file:
            return file.convert("RGB")

    def resize(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        self.resized += 1
        if self.resizing is not None:
            self.resizing.hold()
        return image.resize(size)

    def save(self, image: Image.Image) -> str:
        path = self.folder / f"{image.width}x{image.height}.png"
        image.save(path)
        return str(path)

    def queue_class(self) -> type[QueueService]:
        names: dict[str, Any] = {
            "load_image": self.load_image, "resize": self.resize, "save": self.save,
        }  # fmt: skip
        exec(IMAGE_QUEUE, names)
        kind: type[QueueService] = names["ImageQueue"]
        return kind


@dataclass
class Chunk:
    index: int
    total: int
    result: str


@dataclass
class Hashing:
    """The chunks of a file, each with the hash up to its end; held before the third."""

    gate: Gate | None = None

    def process_chunks(self, item: dict[str, str]) -> Iterator[Chunk]:
        data = Path(item["file_path"]).read_bytes()
        parts = [data[at : at + 1000] for at in range(0, len(data), 1000)]
        digest = hashlib.sha256()
        for index, part in enumerate(parts, start=1):
            if index == 3 and self.gate is not None:
                self.gate.hold()
            digest.update(part)
            yield Chunk(index, len(parts), digest.hexdigest())

    def queue_class(self) -> type[QueueService]:
        return with_handler(CHUNKS, process_chunks=self.process_chunks)


def with_handler(text: str, **names: Any) -> type[QueueService]:
    exec(text, names)
    return type("Queue", (QueueService,), {"name": "chunks", "handle_item": names["handle_item"]})


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.jpg"
    Image.effect_noise((1600, 1200), 60).convert("RGB").save(path)
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(range(256)) * 20)
    return path


def test_an_image_is_resized_and_the_result_says_where_it_is(
    make_queue: MakeQueue, studio: Studio, photo: str
) -> None:
    queue = make_queue(studio.queue_class()).start()
    job = queue.enqueue({"file_path": photo, "resize_to": (1200, 800)})
    done = queue.wait(job.id, DEADLINE)
    assert done.status == "completed"
    assert done.result == {"output": str(studio.folder / "1200x800.png")}
    with Image.open(done.result["output"]) as made:
        assert made.size == (1200, 800)


def test_what_the_item_leaves_out_has_its_default(
    make_queue: MakeQueue, studio: Studio, photo: str
) -> None:
    queue = make_queue(studio.queue_class()).start()
    done = queue.wait(queue.enqueue({"file_path": photo}).id, DEADLINE)
    assert done.result == {"output": str(studio.folder / "800x600.png")}


def test_progress_is_in_the_job_and_in_the_signals_while_it_runs(
    make_queue: MakeQueue, studio: Studio, photo: str
) -> None:
    studio.resizing = Gate()
    queue = make_queue(studio.queue_class()).start()
    seen = Seen()
    with queue.subscribe(seen):
        job = queue.enqueue({"file_path": photo})

        def resizing(signals: list[Signal]) -> bool:
            told = {"current": 2, "total": 3, "percent": pytest.approx(200 / 3),
                    "message": "Resizing..."}  # fmt: skip
            return any(s["event"] == "progress" and s["progress"] == told for s in signals)

        seen.wait_for(resizing)
        progress = queue.get(job.id).progress
        assert progress is not None
        assert (progress.current, progress.total, progress.message) == (2, 3, "Resizing...")
        studio.resizing.open()
        last = seen.wait_status(job.id, "completed")
    assert last["signal"] == "sprag:queue.job.changed"
    assert last["progress"]["message"] == "Saving..."
    statuses = [s["status"] for s in seen.all if s["event"] != "progress"]
    assert statuses == ["queued", "running", "completed"]


def test_four_images_are_worked_on_at_once_and_no_more(
    make_queue: MakeQueue, studio: Studio, photo: str
) -> None:
    studio.loading = Gate()
    queue = make_queue(studio.queue_class()).start()
    jobs = [queue.enqueue({"file_path": photo}) for _ in range(6)]
    studio.loading.wait_held(4)
    assert (queue.counts()["running"], queue.counts()["queued"]) == (4, 2)
    studio.loading.open()
    assert {queue.wait(job.id, DEADLINE).status for job in jobs} == {"completed"}


def test_an_image_that_is_cancelled_while_it_loads_is_never_resized(
    make_queue: MakeQueue, studio: Studio, photo: str
) -> None:
    studio.loading = Gate()
    queue = make_queue(studio.queue_class()).start()
    job = queue.enqueue({"file_path": photo})
    studio.loading.wait_held()
    assert queue.cancel(job.id).status == "cancelling"
    studio.loading.open()
    done = queue.wait(job.id, DEADLINE)
    assert (done.status, done.result, studio.resized) == ("cancelled", None, 0)


def test_an_image_that_is_not_there_fails_with_the_reason(
    make_queue: MakeQueue, studio: Studio
) -> None:
    queue = make_queue(studio.queue_class()).start()
    done = queue.wait(queue.enqueue({"file_path": "nowhere.jpg"}).id, DEADLINE)
    assert done.status == "failed"
    assert done.error is not None
    assert done.error.type == "FileNotFoundError"
    assert "nowhere.jpg" in done.error.message
    assert "load_image" in done.error.traceback


def test_without_arguments_its_file_is_in_the_current_folder(
    studio: Studio, photo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with studio.queue_class()() as queue:
        assert queue.worker_count == 4
        assert queue.wait(queue.enqueue({"file_path": photo}).id, DEADLINE).result
    assert (tmp_path / "sprag.db").is_file()


def test_chunks_report_how_far_they_are_and_the_last_has_the_result(
    make_queue: MakeQueue, data: Path
) -> None:
    hashing = Hashing(Gate())
    assert hashing.gate is not None
    queue = make_queue(hashing.queue_class()).start()
    seen = Seen()
    with queue.subscribe(seen):
        job = queue.enqueue({"file_path": str(data)})
        hashing.gate.wait_held()
        seen.wait_for(lambda signals: any(s["progress"] for s in signals))
        hashing.gate.open()
        done = queue.wait(job.id, DEADLINE)
    assert done.result == hashlib.sha256(data.read_bytes()).hexdigest()
    assert done.progress is not None
    assert (done.progress.current, done.progress.total, done.progress.percent) == (6, 6, 100)


def test_a_cancelled_job_ends_before_its_next_chunk(make_queue: MakeQueue, data: Path) -> None:
    hashing = Hashing(Gate())
    assert hashing.gate is not None
    queue = make_queue(hashing.queue_class()).start()
    job = queue.enqueue({"file_path": str(data)})
    hashing.gate.wait_held()
    queue.cancel(job.id)
    hashing.gate.open()
    done = queue.wait(job.id, DEADLINE)
    assert done.status == "cancelled"
    assert done.progress is not None
    assert (done.progress.current, done.progress.total) == (2, 6)
    moves = [(t.event, t.to_status) for t in queue.history(job.id)]
    assert moves[2:] == [("cancel", "cancelling"), ("confirm", "cancelled")]


def test_a_message_and_the_share_stay_with_the_finished_job(make_queue: MakeQueue) -> None:
    queue = make_queue(with_handler(HALFWAY)).start()
    done = queue.wait(queue.enqueue(None).id, DEADLINE)
    assert (done.status, done.result) == ("completed", None)
    assert done.progress is not None
    assert (done.progress.percent, done.progress.message) == (50, "Halfway there...")
