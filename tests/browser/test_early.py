"""What people do before a page's modules have started, and what the page says of its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from sprag.browser import files
from tests.browser.site import Site
from tests.chromium import Console

Write = Callable[[str, str], Path]

PYTHON = """
    from sprag import Module

    class Page(Module):
        def on_start(self):
            self.told = []

        def on_press(self, event, target):
            self.tell(f"{event.type} {target.value}")

        def on_type(self, event):
            self.tell(f"{event.type} {event.value}")

        def on_check(self, event, target):
            self.tell(f"{event.type} {target.checked}")

        def on_send(self, event):
            event.prevent_default()
            self.tell(event.type)

        def on_choose(self, event):
            self.tell(f"{event.type} {[file.name for file in event.files]}")

        def tell(self, what):
            self.told.append(what)
            self.set_state({"told": " | ".join(self.told)})
"""
SCRIPT = """
    import { Module } from "./sprag.js";
    export class Page extends Module {
      told = [];
      onPress(event, target) { this.tell(`${event.type} ${target.value}`); }
      onType(event, target) { this.tell(`${event.type} ${target.value}`); }
      onCheck(event, target) { this.tell(`${event.type} ${target.checked}`); }
      onSend(event) { event.preventDefault(); this.tell(event.type); }
      onChoose(event, target) { this.tell(`${event.type} ${target.files[0].name}`); }
      tell(what) {
        this.told.push(what);
        this.setState({ told: this.told.join(" | ") });
      }
    }
"""


def markup(language: str) -> str:
    """The same page for either, whose methods are named as each language has them."""
    html = """
        <button data-on-click="on_press" value="first">First</button>
        <button data-on-click="on_press" value="second"><b>Second</b></button>
        <a href="/elsewhere" data-on-click="on_send">Link</a>
        <input id="text" data-on-input="on_type">
        <input id="box" type="checkbox" data-on-click="on_check">
        <input id="file" type="file" data-on-change="on_choose">
        <form action="/sent" data-on-submit="on_send">
          <input id="word" name="word" required>
          <button id="send">Send</button>
        </form>
        <output data-text="told"></output>
    """
    if language == "python":
        return html
    names = {"on_press": "onPress", "on_type": "onType", "on_check": "onCheck",
             "on_send": "onSend", "on_choose": "onChoose"}  # fmt: skip
    for python, script in names.items():
        html = html.replace(python, script)
    return html


@contextmanager
def held_up(page: Page, part: str) -> Iterator[None]:
    """The browser gets no file of this name before the block has ended."""
    waiting: list[Route] = []
    ended = False

    def hold(route: Route) -> None:
        if ended:
            route.continue_()
        else:
            waiting.append(route)

    page.route(f"**/{part}*", hold)
    with page.expect_request(f"**/{part}*"):
        yield
    ended = True
    for route in waiting:
        route.continue_()


def is_loading(page: Page) -> None:
    assert page.evaluate("document.documentElement.dataset.sprag") == "loading"


@pytest.fixture(params=["python", "javascript", "sprag.js"])
def slow(request: pytest.FixtureRequest, site: Site, page: Page, write: Write) -> Any:
    """`slow()`: a page that is there, and whose code is not until the block ends."""
    python = request.param == "python"
    part = {"python": "brython.", "javascript": "page_module.", "sprag.js": "sprag."}[request.param]

    @contextmanager
    def opened() -> Iterator[None]:
        path = write("page_module.py", PYTHON) if python else write("page_module.js", SCRIPT)
        with held_up(page, part):
            language = "python" if python else "javascript"
            site.open(page, markup(language), path, told="")
            page.locator("output").wait_for(state="attached")
            yield
            is_loading(page)
        page.wait_for_selector("html[data-sprag=ready]", state="attached")

    return opened


def test_what_was_done_before_the_code_came_is_told_in_order(
    slow: Any, page: Page, site: Site
) -> None:
    with slow():
        page.click("button[value=second] b")
        page.click("button[value=first]")
        page.click("a")
        page.fill("#word", "hello")
        page.press("#word", "Enter")
        page.click("button[value=second]")
    expect(page.locator("output")).to_have_text(
        "click second | click first | click | submit | click second"
    )
    assert page.url == site.url
    assert not {"/elsewhere", "/sent"} & set(site.asked)


def test_an_event_is_told_once_and_later_ones_as_ever(slow: Any, page: Page) -> None:
    with slow():
        page.click("button[value=first]")
    page.click("button[value=second]")
    expect(page.locator("output")).to_have_text("click first | click second")


def test_a_checkbox_stays_as_it_was_set(slow: Any, page: Page) -> None:
    with slow():
        page.click("#box")
    expect(page.locator("output")).to_have_text("click true".replace("true", told_true(page)))
    assert page.locator("#box").is_checked()


def told_true(page: Page) -> str:
    """As the language of the page's module writes it."""
    python = page.evaluate("JSON.parse(document.getElementById('sprag-page').textContent).python")
    return "True" if python else "true"


def test_each_value_is_the_one_that_the_field_had_then(
    site: Site, page: Page, write: Write
) -> None:
    with held_up(page, "brython."):
        site.open(page, markup("python"), write("page_module.py", PYTHON), told="")
        page.locator("#text").press_sequentially("abc")
        page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"})
    expect(page.locator("output")).to_have_text("input a | input ab | input abc | change ['a.txt']")
    assert page.input_value("#text") == "abc"


def test_what_nobody_prevents_is_done_at_last(
    site: Site, page: Page, write: Write, console: Console
) -> None:
    console.expect("404")  # what the link and the form lead to
    source = """
        from sprag import Module
        class Page(Module):
            def on_see(self):
                pass
    """
    module = write("page_module.py", source)
    with held_up(page, "brython."):
        html = '<a href="/elsewhere?followed" data-on-click="on_see">Link</a><p data-text="told">'
        site.open(page, html, module, told="")
        page.click("a")
        is_loading(page)
    page.wait_for_url("**/elsewhere?followed")
    with held_up(page, "brython."):
        html = '<form action="/sent" data-on-submit="on_see"><button name="n" value="v">Send'
        site.open(page, html, module, told="")
        page.click("button")
        is_loading(page)
    page.wait_for_url("**/sent?n=v")


def test_a_dropped_file_is_kept(site: Site, page: Page, write: Write) -> None:
    source = """
        from sprag import Module
        class Page(Module):
            def on_drop(self, event):
                event.prevent_default()
                self.set_state({"told": [file.name for file in event.files]})
    """
    with held_up(page, "brython."):
        html = '<div id="zone" data-on-drop="on_drop">Drop</div><output data-text="told"></output>'
        site.open(page, html, write("page_module.py", source), told="")
        page.locator("#zone").wait_for()
        assert page.evaluate("""() => {
            const data = new DataTransfer();
            data.items.add(new File(["x"], "dropped.txt"));
            const event = new DragEvent("drop", {bubbles: true, cancelable: true,
                                                 dataTransfer: data});
            return !document.getElementById("zone").dispatchEvent(event);
        }""")
    expect(page.locator("output")).to_have_text('["dropped.txt"]')


def test_only_so_many_are_kept_and_the_rest_is_told(
    site: Site, page: Page, write: Write, console: Console
) -> None:
    console.expect("events from before the page had started were dropped: 50")
    with held_up(page, "page_module."):
        site.open(page, markup("javascript"), write("page_module.js", SCRIPT), told="")
        page.locator("button[value=first]").evaluate(
            "(button) => { for (let n = 0; n < 250; n++) button.click(); }"
        )
    page.wait_for_selector("html[data-sprag=ready]", state="attached")
    assert page.locator("output").inner_text().count("click first") == 200
    assert console.matching("dropped: 50")


# ------------------------------------------------------------ what the page says of its start


def started(page: Page, state: str) -> None:
    page.wait_for_selector(f"html[data-sprag={state}]", state="attached")


EXTENDS = "import { Module } from './sprag.js';\nexport class Page extends Module {\n  "


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("page_module.py", "from sprag import Module\nclass Page(Module):\n    1 / 0\n",
         "ZeroDivisionError"),
        ("page_module.py", "from sprag import Module\nclass Page(Module):\n"
         "    def on_start(self):\n        self.nonsense()\n", "line 4"),
        ("page_module.py", "from sprag import Module\nclass Page(Module):\n"
         "    async def on_start(self):\n        {}['away']\n", "KeyError: 'away'"),
        ("page_module.py", "from browser import nonsense\n", "nonsense"),
        ("page_module.js", "export class Page extends Nonsense {}", "Nonsense is not defined"),
        ("page_module.js", "export class {", "SyntaxError"),
        ("page_module.js", EXTENDS + "onStart() { this.nonsense(); }\n}", "page_module"),
        ("page_module.js", EXTENDS + "async onStart() { await null; throw new Error('late'); }\n}",
         "late"),
        ("page_module.js", EXTENDS + "constructor() { super(); this.nonsense(); }\n}",
         "nonsense is not a function"),
    ],
)  # fmt: skip
def test_a_module_that_does_not_start_says_so_in_the_page(
    name: str, source: str, said: str, site: Site, page: Page, write: Write, console: Console
) -> None:
    console.expect("")
    with held_up(page, "page_module."):
        site.open(page, '<button data-on-click="on_press">Press</button>', write(name, source))
        page.click("button")
    started(page, "failed")
    notice = page.locator("#sprag-failed")
    expect(notice).to_contain_text("could not be started")
    expect(notice).to_contain_text(said)
    assert console.errors


def test_what_was_done_is_dropped_with_a_word_if_nothing_starts(
    site: Site, page: Page, write: Write, console: Console
) -> None:
    console.expect("")
    with held_up(page, "page_module."):
        site.open(page, markup("javascript"), write("page_module.js", "nonsense"), told="")
        page.click("button[value=first]")
    started(page, "failed")
    assert console.matching("from before the page had started were dropped: 1")


def test_a_page_whose_script_does_not_come_says_so(
    site: Site, page: Page, write: Write, console: Console
) -> None:
    console.expect("")
    page.route(f"**/{files.script_name()}", lambda route: route.abort())
    site.open(page, markup("javascript"), write("page_module.js", SCRIPT), told="")
    started(page, "failed")
    assert console.matching("could not be loaded, so nothing on this page works")


def test_a_page_tells_when_it_is_ready(site: Site, page: Page, write: Write) -> None:
    page.add_init_script(
        "document.addEventListener('sprag:ready', () => {"
        " window.told = document.documentElement.dataset.sprag; })"
    )
    site.show(page, markup("javascript"), write("page_module.js", SCRIPT), told="")
    assert page.evaluate("window.told") == "ready"


def test_visitors_of_another_host_see_no_traceback(
    site: Site, page: Page, write: Write, console: Console
) -> None:
    console.expect("")
    bad = write("page_module.js", "nonsense")
    page.route("http://shop.example/**", lambda route: route.fulfill(
        response=route.fetch(url=route.request.url.replace("http://shop.example/", site.url))
    ))  # fmt: skip
    site.open(page, "<p>Page</p>", bad)
    page.goto("http://shop.example/")
    started(page, "failed")
    assert page.locator("#sprag-failed").count() == 0
