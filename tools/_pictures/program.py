"""Takes the pictures: a demo at work, and its dashboard."""

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from _demo import pictures
from sprag import QueueService

ROOT = Path(__file__).resolve().parent.parent.parent
_CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_DEADLINE_MS = 120_000
_QUALITY = 82
_WIDTH, _HEIGHT = 1240, 760
_DASHBOARD_HEIGHT = 840


def main(arguments: Sequence[str], description: str | None = None) -> int:
    """Make the pictures that the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(prog="tools/pictures.py", description=description)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs" / "pictures",
        help="where the pictures go (default: docs/pictures)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a few small images, for a test")
    options = parser.parse_args(arguments)
    count, size = (3, (640, 480)) if options.quick else (12, (4000, 3000))
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sprag-pictures-") as folder:
        images = Path(folder) / "images"
        pictures.make(images, count, lambda *_: None, size)
        with _demo(Path(folder) / "demo") as address, _chromium() as browser:
            _take(browser, address, Path(folder) / "demo", images, options.output)
    return 0


def _take(browser: Browser, address: str, demo: Path, images: Path, output: Path) -> None:
    context = browser.new_context(
        viewport={"width": _WIDTH, "height": _HEIGHT}, reduced_motion="reduce"
    )
    context.set_default_timeout(_DEADLINE_MS)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-sprag=ready]")
    files = sorted(images.glob("*.jpg"))
    page.set_input_files("#chooser", files)
    # Some have thumbnails, others show their progress.
    _wait_for_completed(page, len(files) // 6)
    page.evaluate("document.activeElement.blur()")
    _store(page, output / "demo.webp")
    _fail_one(demo)
    _wait_for_completed(page, len(files) // 2)
    page.set_viewport_size({"width": _WIDTH, "height": _DASHBOARD_HEIGHT})
    page.goto(f"{address}dashboard/")
    page.get_by_text("missing.jpg").first.wait_for()
    _store(page, output / "dashboard.webp")
    context.close()


def _wait_for_completed(page: Page, count: int) -> None:
    page.wait_for_function(
        "count => document.querySelectorAll('.card[data-status=completed] img').length >= count"
        " && [...document.images].every(image => image.complete)",
        arg=max(count, 1),
    )


def _fail_one(demo: Path) -> None:
    """Run a job that fails, before those that wait."""
    queue = QueueService(name="thumbnails", database=demo / "jobs.db")
    item = {"source": str(demo / "missing.jpg"), "folder": str(demo)}
    job = queue.enqueue(item, label="missing.jpg", priority=1)
    queue.wait(job.id, _DEADLINE_MS / 1000)
    queue.stop()


def _store(page: Page, path: Path) -> None:
    """The page as WebP, which takes a tenth of the room of a PNG."""
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.convert("RGB").save(path, quality=_QUALITY, method=6)
    print(f"{path}: {path.stat().st_size:,} bytes")


@contextmanager
def _demo(folder: Path) -> Iterator[str]:
    """The address of a demo that runs until the end of the block."""
    command = [sys.executable, "-m", "_pictures.demo", "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--workers", "2", "--output", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.communicate()


def _address(process: "subprocess.Popen[str]") -> str:
    said = ""
    for line in process.stdout or ():
        said += line
        found = re.search(r"The page: (\S+)", said)
        if found is not None and "Stop this" in line:
            return found[1]
    raise SystemExit(f"The demo did not start:\n{said}")


@contextmanager
def _chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if path is None:
        raise SystemExit(f"Chromium is not installed: none of {', '.join(_CHROMIUM)} is in PATH.")
    # Chromium cannot make its sandbox as root.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--disable-gpu", "--no-first-run", *sandbox]
        )
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
