"""Signals over a line that breaks: every one once, in order, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.site import Site
from tests.chromium import Console

Write = Callable[[str, str], Path]

MODULE = """
import { Module } from "./sprag.js";
export class Shown extends Module {
  onStart() {
    window.seen = [];
    window.online = [];
    const job = ({ event, seq }) => seen.push(event === "progress" ? "p" : seq);
    this.onSocket("sprag:queue.job.changed", job);
    this.onSocket("sprag:connection.changed", (s) => online.push(s.online));
    this.onSocket("news", (s) => seen.push(s.text));
  }
}
"""
BROKEN_LINE = ("WebSocket connection to .* failed", "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE")


def wait_for(page: Page, seen: list[Any]) -> None:
    page.wait_for_function("(count) => seen.length >= count", arg=len(seen))
    assert page.evaluate("seen") == seen


def open_page(site: Site, page: Page, write: Write) -> None:
    site.show(page, "", write("shown.js", MODULE))
    site.wait_for_listener()


def connections(site: Site, kind: str) -> list[str]:
    return [asked for asked in site.asked if asked.startswith(f"/_sprag/{kind}?")]


def test_signals_of_all_kinds_arrive_in_order(site: Site, page: Page, write: Write) -> None:
    open_page(site, page, write)
    site.move()
    site.progress()
    site.tell({"signal": "news", "text": "of no cursor"})
    site.move()
    site.progress()
    wait_for(page, [1, "p", "of no cursor", 2, "p"])


def test_what_happened_before_the_page_connected_is_made_up_for(
    site: Site, page: Page, write: Write
) -> None:
    site.move()
    late = MODULE.replace(
        "onStart() {", "onStart() { window.begin = () => this.begin(); }\nbegin() {"
    )
    site.show(page, "", write("shown.js", late))
    site.move()
    site.move()
    assert connections(site, "socket") == []  # nobody has asked for signals
    page.evaluate("begin()")
    wait_for(page, [2, 3])


def test_what_was_handed_over_already_is_dropped(site: Site, page: Page, write: Write) -> None:
    open_page(site, page, write)
    first = site.move()
    site.tell(first)
    site.progress()
    site.tell({**first, "event": "progress", "cursor": "1.1"})
    site.move()
    site.tell({**first, "cursor": "2.1"})
    site.tell({"signal": "news", "text": "end"})
    wait_for(page, [1, "p", 2, "end"])


def test_a_lost_line_is_taken_up_where_it_broke(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect(*BROKEN_LINE)
    open_page(site, page, write)
    site.move()
    site.progress()
    wait_for(page, [1, "p"])
    for _ in range(3):
        site.tell(None)
        site.move()
        page.wait_for_function("(seq) => seen.includes(seq)", arg=len(site.journal))
    wait_for(page, [1, "p", 2, 3, 4])
    assert connections(site, "socket")[:2] == [
        "/_sprag/socket?after=0.0.0",
        "/_sprag/socket?after=1.1.0",
    ]
    assert connections(site, "events") == []
    assert page.evaluate("online") == [False, True] * 3


def test_a_server_that_was_away_is_found_again(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect(*BROKEN_LINE)
    open_page(site, page, write)
    site.move()
    wait_for(page, [1])
    site.stop()
    page.wait_for_function("() => online.length === 1")
    site.move()
    site.move()
    with page.expect_console_message(lambda said: "REFUSED" in said.text):
        pass
    site.start()
    wait_for(page, [1, 2, 3])
    assert page.evaluate("online") == [False, True]


def test_ticks_that_begin_again_are_heard(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    # Progress is numbered by the server's process, which may be another one by now.
    console.expect(*BROKEN_LINE)
    open_page(site, page, write)
    site.move()
    for _ in range(3):
        site.progress()
    wait_for(page, [1, "p", "p", "p"])
    site.restart_ticks()
    site.tell(None)
    page.wait_for_function("() => online.at(-1) === true")
    site.progress()
    site.move()
    wait_for(page, [1, "p", "p", "p", "p", 2])


def test_events_come_where_no_websocket_gets_through(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect(*BROKEN_LINE)
    site.sockets = False
    open_page(site, page, write)
    site.move()
    site.progress()
    wait_for(page, [1, "p"])
    assert len(connections(site, "socket")) == 2
    assert connections(site, "events") == ["/_sprag/events?after=0.0.0"]
    site.tell(None)
    site.move()
    wait_for(page, [1, "p", 2])
    assert connections(site, "events")[1] == "/_sprag/events?after=1.1.0"
    assert len(connections(site, "socket")) == 2


def test_coming_online_makes_a_new_line_at_once(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect(*BROKEN_LINE)
    open_page(site, page, write)
    site.move()
    wait_for(page, [1])
    page.evaluate("dispatchEvent(new Event('online'))")
    site.move()
    wait_for(page, [1, 2])
    assert connections(site, "socket")[1:] == ["/_sprag/socket?after=1.0.0"]
    # A line that is only replaced was never lost.
    assert page.evaluate("online") == []


@pytest.mark.parametrize(
    "wake", ["window.dispatchEvent(new Event('online'))", "document.dispatchEvent(new Event('%s'))"]
)
def test_a_page_that_wakes_up_does_not_wait_for_its_next_attempt(
    site: Site, page: Page, console: Console, write: Write, wake: str
) -> None:
    console.expect(*BROKEN_LINE)
    page.clock.install(time=0)
    open_page(site, page, write)
    page.clock.pause_at(3600)
    site.tell(None)
    page.wait_for_function("() => online.length === 1")
    site.move()
    page.evaluate(wake.replace("%s", "visibilitychange"))
    wait_for(page, [1])  # though no timer runs
    assert page.evaluate("online") == [False, True]


def test_a_line_that_breaks_at_once_is_tried_less_and_less(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect(*BROKEN_LINE)
    page.clock.install(time=0)
    open_page(site, page, write)
    page.clock.pause_at(3600)
    pauses = []
    for attempt in range(6):
        site.wait_for_listener()
        site.tell(None)
        page.wait_for_function("(count) => online.length === 2 * count + 1", arg=attempt)
        waited = 0
        while len(connections(site, "socket")) == attempt + 1:
            page.clock.run_for(100)
            waited += 100
            page.evaluate("new Promise((done) => fetch('/').then(done))")
        pauses.append(waited)
        page.wait_for_function("(count) => online.length === 2 * count + 2", arg=attempt)
    assert pauses[-1] > 4 * pauses[0]
    assert pauses[-1] <= 20_000


def test_a_signal_that_is_none_leaves_the_line_alone(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("ignored a signal that is not valid")
    open_page(site, page, write)
    site.tell("{broken")
    site.move()
    wait_for(page, [1])


def test_ten_thousand_signals_arrive_in_order(site: Site, page: Page, write: Write) -> None:
    open_page(site, page, write)
    for _ in range(10_000):
        site.move()
    wait_for(page, list(range(1, 10_001)))


def test_a_handler_that_fails_keeps_no_signal_from_others(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("on news: Error: on purpose")
    failing = MODULE.replace(
        "window.seen = [];",
        "window.seen = []; this.onSocket('news', () => { throw new Error('on purpose'); });",
    )
    site.show(page, "", write("shown.js", failing))
    site.wait_for_listener()
    site.tell({"signal": "news", "text": "heard"})
    wait_for(page, ["heard"])


def test_being_without_a_network_says_nothing_against_websockets(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect(*BROKEN_LINE, "ERR_INTERNET_DISCONNECTED")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(site, page, write)
    page.context.set_offline(True)
    site.stop()
    for _ in range(3):
        page.wait_for_event("console", lambda said: "WebSocket connection" in said.text)
    site.start()
    page.context.set_offline(False)
    site.move()
    wait_for(page, [1])
    assert not [url for url in asked if "/_sprag/events" in url]


def test_a_server_that_is_away_for_long_is_asked_for_the_websocket_that_worked(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect(*BROKEN_LINE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(site, page, write)
    site.move()
    wait_for(page, [1])
    site.stop()
    for _ in range(4):
        page.wait_for_event("console", lambda said: "WebSocket connection" in said.text)
    site.start()
    site.move()
    wait_for(page, [1, 2])
    assert not [url for url in asked if "/_sprag/events" in url]
