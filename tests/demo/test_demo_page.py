"""The demo's page on a real server, in a real browser: what a person does with it, and what
becomes of it when the server is killed."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect

from sprag.queue import QueueService
from tests.chromium import Console, fresh_page, new_context
from tests.support import DEADLINE, PATIENCE, unmeasured

PROGRAM = Path(__file__).with_name("programs") / "gated_page.py"


@pytest.fixture
def page(browser: Browser, console: Console, demo: Demo) -> Iterator[Page]:
    """A page of a session of its own, which ends before the demo does."""
    with fresh_page(browser, console) as opened:
        yield opened


class Demo:
    """A demo that can be killed and started again, at the same address."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self._port = 0
        self.said: list[str] = []
        self.address = ""
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(PROGRAM), "--no-browser", "--workers", "2"]
        options = ["--port", str(self._port), "--output", str(self.output)]
        self.process = subprocess.Popen(
            [*command, *options], env=unmeasured(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._watchdog = Timer(PATIENCE, self.process.kill)
        self._watchdog.start()
        self.said = self._read_until("Stop this at any time")
        self.address = self.said[0].rpartition(" ")[2].strip()
        self._port = int(self.address.rpartition(":")[2].strip("/"))

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Its exit code, and what it said in the end."""
        self.process.send_signal(how)
        said, _ = self.process.communicate(timeout=DEADLINE)
        self._watchdog.cancel()
        return self.process.returncode, said

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()

    def open_gate(self) -> None:
        (self.output / "open").touch()

    def close_gate(self) -> None:
        (self.output / "open").unlink(missing_ok=True)

    def let_all_end(self) -> None:
        self.open_gate()
        queue = QueueService(name="thumbnails", database=self.output / "jobs.db")
        for job in queue.jobs(["queued", "running", "cancelling"]):
            queue.wait(job.id, DEADLINE)
        queue.stop()

    def events(self, *names: str) -> dict[str, list[str]]:
        """The history of the jobs for these images, each of which is there once."""
        queue = QueueService(name="thumbnails", database=self.output / "jobs.db")
        jobs = [job for job in queue.jobs(limit=1000) if job.label in names]
        told = {job.label or "": [str(m.event) for m in queue.history(job.id)] for job in jobs}
        queue.stop()
        assert len(told) == len(jobs), "an image was enqueued twice"
        return told

    def _read_until(self, wanted: str) -> list[str]:
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if wanted in line:
                return seen
        pytest.fail(f"{wanted!r} was not printed before the end; printed: {seen}")


@pytest.fixture(scope="module")
def one_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with closing(Demo(tmp_path_factory.mktemp("demo") / "out")) as running:
        yield running


@pytest.fixture
def demo(one_demo: Demo) -> Iterator[Demo]:
    """One that runs on from test to test: each has a session of its own. The gate is closed."""
    one_demo.close_gate()
    yield one_demo
    one_demo.let_all_end()


Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """`draw("a.png")`: an image; with `gated` one that stays in work until the gate is open."""
    (tmp_path / "images").mkdir()

    def drawn(name: str, *, gated: bool = False) -> Path:
        path = tmp_path / "images" / name
        Image.effect_noise((333, 222) if gated else (480, 360), 60).save(path)
        return path

    return drawn


def opened(page: Page, demo: Demo) -> None:
    page.goto(demo.address)
    page.wait_for_selector("html[data-sprag=ready]")


def choose(page: Page, *files: Path) -> None:
    page.set_input_files("#chooser", list(files))


def card(page: Page, name: str) -> Locator:
    return page.locator(f'.card[aria-label="{name}"]')


def expect_status(page: Page, **statuses: str) -> None:
    """Each card that there is, by the stem of its name."""
    for name, status in statuses.items():
        found = page.locator(f'.card[aria-label^="{name}."]')
        expect(found).to_have_attribute("data-status", status)
    expect(page.locator(".card")).to_have_count(len(statuses))


def test_chosen_images_tell_how_far_they_are_and_show_their_thumbnails(
    page: Page, demo: Demo, draw: Draw
) -> None:
    opened(page, demo)
    expect(page.get_by_text("Drop images here")).to_be_visible()
    expect(page.locator(".start")).to_be_visible()
    choose(page, draw("gate.png", gated=True), draw("plain.jpg"))
    gate = card(page, "gate.png")
    expect(gate.locator(".says")).to_have_text("at the gate")
    expect(gate.locator("progress")).to_have_attribute("value", "25")
    expect_status(page, gate="running", plain="completed")
    expect(gate).to_be_focused()
    expect(page.locator(".start")).to_be_hidden()
    expect(page.locator(".title")).to_contain_text("1 of 2 done")
    demo.open_gate()
    expect_status(page, gate="completed", plain="completed")
    expect(page.locator(".title")).to_contain_text("2 of 2 done")
    picture = gate.locator("img")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('.card img').naturalWidth === 320")
    expect(gate.locator(".files a")).to_have_text(["333", "333", "333", "320"])
    address = gate.locator(".files a").last.get_attribute("href")
    answer = page.request.get(f"{demo.address}{address}")
    assert answer.headers["content-disposition"] == 'inline; filename="gate-320.jpg"'
    assert answer.headers["content-type"] == "image/jpeg"


def test_images_can_be_dropped_anywhere_several_at_once(page: Page, demo: Demo, draw: Draw) -> None:
    opened(page, demo)
    files = [draw(name) for name in ("one.png", "two.png")]
    contents = [base64.b64encode(file.read_bytes()).decode() for file in files]
    page.evaluate(
        """contents => {
            const dragged = new DataTransfer();
            contents.forEach((text, at) => dragged.items.add(
                new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))],
                    ["one.png", "two.png"][at])));
            window.drag = (type) => !document.querySelector(".top").dispatchEvent(new DragEvent(
                type, { dataTransfer: dragged, bubbles: true, cancelable: true }));
        }""",
        contents,
    )
    # Both say to the browser that it is not to do what it would.
    assert page.evaluate("() => drag('dragover')") is True
    expect(page.get_by_text("Let go, and they are taken")).to_be_visible()
    assert page.evaluate("() => drag('drop')") is True
    expect_status(page, one="completed", two="completed")
    expect(page.get_by_text("Drop images here")).to_be_visible()


def test_samples_are_made_and_put_to_work(page: Page, demo: Demo) -> None:
    opened(page, demo)
    page.get_by_role("button", name="Use sample images").click()
    expect(page.get_by_role("button", name="Making samples")).to_be_disabled()
    expect_status(page, **{"picture-001": "completed", "picture-002": "completed"})
    expect(page.get_by_role("button", name="Use sample images")).to_be_enabled()
    with Image.open(demo.output / "samples" / "picture-002.jpg") as made:
        assert made.size == (4000, 3000)


def test_an_image_is_cancelled_by_its_button_or_the_delete_key_and_tried_again(
    page: Page, demo: Demo, draw: Draw
) -> None:
    opened(page, demo)
    choose(page, *(draw(f"{name}.png", gated=True) for name in "abc"))
    # Two workers are at the gate, so the third one waits.
    expect_status(page, a="running", b="running", c="queued")
    card(page, "a.png").get_by_role("button", name="Cancel").click()
    expect_status(page, a="cancelled", b="running", c="running")
    expect(card(page, "a.png")).to_be_focused()
    card(page, "b.png").get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Delete")
    expect_status(page, a="cancelled", b="cancelled", c="running")
    expect(page.get_by_role("status")).to_contain_text("b.png")
    demo.open_gate()
    card(page, "a.png").get_by_role("button", name="Try again").press("Enter")
    expect_status(page, a="completed", b="cancelled", c="completed")
    page.get_by_role("button", name="Clear finished").click()
    expect(page.locator(".start")).to_be_visible()
    page.reload()
    page.wait_for_selector("html[data-sprag=ready]")
    expect(page.locator(".card")).to_have_count(0)


def test_a_tab_that_is_closed_and_opened_again_finds_everything(
    page: Page, demo: Demo, draw: Draw
) -> None:
    opened(page, demo)
    choose(page, draw("gate.png", gated=True), draw("done.png"), draw("gone.png", gated=True))
    expect_status(page, gate="running", done="completed", gone="running")
    card(page, "gone.png").get_by_role("button", name="Cancel").click()
    expect_status(page, gate="running", done="completed", gone="cancelled")
    context = page.context
    page.close()
    again = context.new_page()
    opened(again, demo)
    expect_status(again, gate="running", done="completed", gone="cancelled")
    expect(card(again, "gate.png").locator(".says")).to_have_text("at the gate")
    demo.open_gate()
    expect_status(again, gate="completed", done="completed", gone="cancelled")


def test_a_tab_with_an_image_that_is_not_sent_yet_is_not_closed_without_a_question(
    page: Page, demo: Demo, draw: Draw
) -> None:
    opened(page, demo)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/actions/upload_image", hold)
    page.get_by_role("heading", level=1).click()  # browsers ask nobody who has done nothing there
    choose(page, draw("late.png"))
    expect_status(page, late="sending")
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    held.pop().continue_()
    expect_status(page, late="completed")


def test_two_tabs_show_the_same_and_another_session_nothing(
    browser: Browser, page: Page, demo: Demo, draw: Draw
) -> None:
    opened(page, demo)
    tab = page.context.new_page()
    opened(tab, demo)
    choose(page, draw("mine.png"))
    expect_status(page, mine="completed")
    expect_status(tab, mine="completed")
    address = card(page, "mine.png").locator(".files a").first.get_attribute("href")
    with closing(new_context(browser)) as other:
        stranger = other.new_page()
        opened(stranger, demo)
        expect(stranger.locator(".card")).to_have_count(0)
        assert stranger.request.get(f"{demo.address}{address}").status == 404
    assert page.request.get(f"{demo.address}{address}").status == 200


def test_after_kill_9_the_open_page_goes_on_by_itself_and_nothing_is_lost(
    page: Page, console: Console, tmp_path: Path, draw: Draw
) -> None:
    console.expect("WebSocket|ERR_CONNECTION")
    with closing(Demo(tmp_path / "out")) as demo:
        opened(page, demo)
        choose(page, draw("done.png"), *(draw(f"{name}.png", gated=True) for name in "abc"))
        expect_status(page, done="completed", a="running", b="running", c="queued")
        demo.kill()
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        # What is dropped meanwhile waits in the page.
        choose(page, draw("late.png"))
        expect(card(page, "late.png").locator(".says")).to_have_text("Sending")
        demo.start()
        assert "3 images go on where an earlier run was ended." in "".join(demo.said)
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.get_by_role("status")).to_contain_text("is back")
        demo.open_gate()
        names = ("done", "a", "b", "c", "late")
        expect_status(page, **dict.fromkeys(names, "completed"))
        once = ["enqueue", "start", "complete"]
        twice = ["enqueue", "start", "recover", "start", "complete"]
        assert demo.events(*(f"{name}.png" for name in names)) == {
            "done.png": once, "a.png": twice, "b.png": twice, "c.png": once, "late.png": once,
        }  # fmt: skip
        page.goto("about:blank")


def test_an_image_whose_answer_was_lost_is_sent_again_and_is_one_job(
    page: Page, console: Console, demo: Demo, draw: Draw
) -> None:
    console.expect("ERR_CONNECTION_RESET")
    opened(page, demo)

    wire = page.context.new_cdp_session(page)
    answers: list[int] = []

    def lose_the_first(paused: dict[str, Any]) -> None:
        answers.append(paused["responseStatusCode"])
        what = {"requestId": paused["requestId"]}
        if len(answers) == 1:
            wire.send("Fetch.failRequest", {**what, "errorReason": "ConnectionReset"})
        else:
            wire.send("Fetch.continueRequest", what)

    wire.on("Fetch.requestPaused", lose_the_first)
    wanted = {"urlPattern": "*/upload_image", "requestStage": "Response"}
    wire.send("Fetch.enable", {"patterns": [wanted]})
    choose(page, draw("lost.png"))
    expect_status(page, lost="completed")
    assert answers == [200, 200]
    assert demo.events("lost.png") == {"lost.png": ["enqueue", "start", "complete"]}


def test_a_file_that_is_no_image_is_refused_in_plain_words(
    page: Page, console: Console, demo: Demo, draw: Draw, tmp_path: Path
) -> None:
    console.expect("status of 400")
    (tmp_path / "notes.jpg").write_text("not an image at all")
    whole = draw("whole.png").read_bytes()
    (tmp_path / "torn.png").write_bytes(whole[: len(whole) // 2])
    opened(page, demo)
    choose(page, tmp_path / "notes.jpg", tmp_path / "torn.png", tmp_path / "images" / "whole.png")
    expect_status(page, notes="refused", torn="refused", whole="completed")
    expect(card(page, "notes.jpg").locator(".says")).to_have_text(
        "This is no image, or none of a kind that can be read here"
    )
    expect(card(page, "torn.png").locator(".says")).to_contain_text("The image is broken")
    assert list(demo.events("notes.jpg", "torn.png", "whole.png")) == ["whole.png"]
    card(page, "notes.jpg").get_by_role("button", name="Dismiss").click()
    expect_status(page, torn="refused", whole="completed")


def test_a_file_that_is_too_large_is_not_even_sent(page: Page, demo: Demo, tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        os.ftruncate(file.fileno(), 64 * 1024 * 1024 + 1)
    opened(page, demo)
    choose(page, tmp_path / "huge.png")
    expect(card(page, "huge.png").locator(".says")).to_have_text(
        "It is too large: expected at most 64 MB"
    )


def test_the_dashboard_is_beside_it(page: Page, demo: Demo, draw: Draw) -> None:
    opened(page, demo)
    choose(page, draw("one.png"))
    expect_status(page, one="completed")
    page.get_by_role("link", name="Dashboard").click()
    expect(page.get_by_role("link", name="thumbnails").first).to_be_visible()


@pytest.mark.parametrize(
    ("how", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
)
def test_it_ends_in_order_and_says_that_the_next_run_goes_on(
    how: signal.Signals, code: int, word: str, tmp_path: Path
) -> None:
    demo = Demo(tmp_path / "out")
    ended, said = demo.end(how)
    assert said == (
        "Stopping: what is in work is finished first.\n"
        f"{word}. The same command goes on where it was.\n"
    )
    assert ended == code


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), "--no-browser", *map(str, arguments)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip


def test_a_port_that_is_taken_is_told_in_plain_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", port, "--output", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"Port {port} is taken, perhaps by another demo: choose another one with --port.\n"
    )


def test_a_folder_without_terminal_is_refused_with_a_hint(tmp_path: Path) -> None:
    done = run(tmp_path, "--plain")
    assert done.returncode == 2
    assert "go with --terminal" in done.stderr


def test_a_database_that_is_none_is_told_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("not a database at all, but long enough to be read" * 100)
    done = run("--port", 0, "--output", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("The demo cannot go on: ")
    assert "Traceback" not in done.stderr
