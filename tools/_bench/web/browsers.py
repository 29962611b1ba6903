"""Browsers: what a page weighs there, and how soon it shows what was committed."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from ..measures import Result, spread
from ..subjects import expect
from .http import Connection
from .server import served

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

UPLOAD_AND_WATCH = """
async (samples) => {
  const job = document.getElementById("job");
  const status = document.getElementById("status");
  const shown = {};
  for (let tries = 0; Object.keys(shown).length < samples && tries < 2 * samples; tries++) {
    const before = job.textContent;
    await new Promise((resolve) => {
      const end = () => { observer.disconnect(); clearTimeout(timer); resolve(); };
      const observer = new MutationObserver(() => {
        if (status.textContent === "completed" && job.textContent !== before) {
          shown[job.textContent] = (performance.timeOrigin + performance.now()) / 1000;
          end();
        }
      });
      const timer = setTimeout(end, 1000);
      observer.observe(document.body, { childList: true, characterData: true, subtree: true });
      document.getElementById("upload").click();
    });
    await new Promise((resolve) => setTimeout(resolve, 5 + 10 * Math.random()));
  }
  return shown;
}
"""
"""Enqueues one job after the other; when each one's end was shown, in unix seconds.

A job may end before the page knows its number: then its end is not shown, and it does not count.
"""


def commit_to_dom(folder: Path, sync: str, *, subject: str, samples: int, pause: float) -> Result:
    """Seconds from the commit of a job's end until the page's text says so.

    The page is told by its socket and asks for the job's status, as in the spec. The server notes
    the time when the commit has returned, the page when its text has changed. Both are processes
    of one machine, with one clock.
    """
    with served(subject, folder, sync, pause=pause) as port:
        with _chromium() as browser:
            page = browser.new_page()
            _visit(page, f"http://127.0.0.1:{port}/")
            page.evaluate(UPLOAD_AND_WATCH, samples // 5)
            shown = page.evaluate(UPLOAD_AND_WATCH, samples)
        committed = asyncio.run(_commits(port))
    expect("jobs shown", len(shown), samples)
    return spread([when - committed[job_id] for job_id, when in shown.items()])


def weight(folder: Path, sync: str, *, path: str) -> Result:
    """Bytes of all that a page loads, as they are sent.

    `fleeting` are the files beside the page itself that a browser may not keep for good, `again`
    the bytes of them that a second visit loads.
    """
    with served("sprag", folder, sync) as port, _chromium() as browser:
        page = browser.new_page()
        url = f"http://127.0.0.1:{port}{path}"
        loaded = Loaded(page)
        _visit(page, url)
        figures: Result = {"bytes": loaded.bytes(), "fleeting": loaded.fleeting(url)}
        loaded.forget()
        _visit(page, url)
        figures["again"] = loaded.bytes(but=url)
        return figures


class Loaded:
    """What a page loads, as the browser's developer tools see it. Sizes are those on the wire,
    with the headers; what comes from the browser's cache has none."""

    def __init__(self, page: Page) -> None:
        self._responses: dict[str, dict[str, Any]] = {}
        self._sizes: dict[str, float] = {}
        devtools = page.context.new_cdp_session(page)
        devtools.on("Network.responseReceived", self._received)
        devtools.on("Network.loadingFinished", self._finished)
        devtools.send("Network.enable")

    def bytes(self, *, but: str = "") -> float:
        """Of everything, except what comes from the URL `but`."""
        return sum(
            self._sizes.get(id_, 0.0)
            for id_, response in self._responses.items()
            if response["url"] != but
        )

    def fleeting(self, document: str) -> int:
        """How many files beside the document do not say that they can be kept for good."""
        return sum(
            "immutable" not in _header(response, "cache-control")
            for response in self._responses.values()
            if response["url"] != document
        )

    def forget(self) -> None:
        """Begin anew."""
        self._responses.clear()
        self._sizes.clear()

    def _received(self, event: dict[str, Any]) -> None:
        if event["response"]["url"].startswith("http"):
            self._responses[event["requestId"]] = event["response"]

    def _finished(self, event: dict[str, Any]) -> None:
        self._sizes[event["requestId"]] = event["encodedDataLength"]


def _header(response: dict[str, Any], name: str) -> str:
    headers = {key.lower(): value for key, value in response["headers"].items()}
    return str(headers.get(name, ""))


@contextmanager
def _chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise RuntimeError(f"expected a Chromium in PATH, as one of {', '.join(NAMES)}")
    # Chromium cannot make its sandbox as root, which is who a container's programs are.
    sandbox = () if os.geteuid() else ("--no-sandbox",)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET, *sandbox])
        try:
            yield browser
        finally:
            browser.close()


def _visit(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("html[data-sprag=ready]")
    page.wait_for_load_state("networkidle")


async def _commits(port: int) -> dict[str, float]:
    desk = await Connection.open(port)
    found: dict[str, float] = await desk.ask("GET", "/desk/commits")
    desk.close()
    return found
