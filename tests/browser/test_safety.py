"""What data says can never become code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.site import Site
from tests.chromium import Console

Write = Callable[[str, str], Path]

MODULE = """
import { Module } from "./sprag.js";
export class Shown extends Module {
  onStart() { window.set = (changes) => this.setState(changes); }
}
"""
HTML_ATTACK = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"


def test_html_in_the_state_is_text(site: Site, page: Page, write: Write) -> None:
    site.show(
        page,
        '<p data-text="it" data-attr-title="it"></p><a data-attr-href="it">a</a>'
        '<template data-each="list" data-key="id"><b data-text="id" data-attr-alt="id"></b>'
        "</template>",
        write("shown.js", MODULE),
        it=HTML_ATTACK,
        list=[{"id": HTML_ATTACK}],
    )
    assert page.inner_text("p") == HTML_ATTACK
    assert page.locator("b").inner_text() == HTML_ATTACK
    assert page.locator("p *, b *").count() == 0
    assert page.evaluate("window.hit") is None


def test_the_pages_own_data_cannot_end_its_script(site: Site, page: Page, write: Write) -> None:
    it = "</script><script>window.hit=1</script>"
    site.show(page, '<p data-text="it"></p>', write("shown.js", MODULE), it=it)
    assert page.inner_text("p") == it


@pytest.mark.parametrize(
    "url",
    [
        "javascript:window.hit=1",
        "JaVaScRiPt:window.hit=1",
        "  javascript:window.hit=1",
        "java\nscript:window.hit=1",
        "\x01javascript:window.hit=1",
        "data:text/html,<script>window.hit=1</script>",
        "vbscript:hit",
        "blob:http://127.0.0.1/x",
        "file:///etc/passwd",
        "http://[",
    ],
)
def test_urls_that_run_something_are_refused(
    site: Site, page: Page, console: Console, write: Write, url: str
) -> None:
    console.expect("is refused")
    site.show(
        page,
        '<a id="a" data-attr-href="to">x</a><form data-attr-action="to">'
        '<button data-attr-formaction="to"></button></form>'
        '<svg><a id="b" data-attr-xlink:href="to" data-attr-href="to"></a></svg>',
        write("shown.js", MODULE),
        to="/fine",
    )
    assert page.locator("#a").get_attribute("href") == "/fine"
    page.evaluate("(to) => set({to})", url)
    for selector, name in [("#a", "href"), ("form", "action"), ("button", "formaction")]:
        assert page.locator(selector).get_attribute(name) is None
    assert page.locator("#b").get_attribute("href") is None
    assert page.locator("#b").get_attribute("xlink:href") is None
    assert len(console.matching("is refused")) == 5
    page.evaluate("set({to: 'mailto:a@b.c'})")
    assert page.locator("#a").get_attribute("href") == "mailto:a@b.c"


@pytest.mark.parametrize(
    "markup",
    [
        '<p data-attr-onclick="it">',
        '<p data-attr-ONCLICK="it">',
        '<p data-attr-style="it">',
        '<iframe data-attr-srcdoc="it"></iframe>',
        '<script data-text="it"></script>',
        '<script data-attr-src="it"></script>',
        '<style data-text="it"></style>',
        '<base data-attr-href="it">',
        '<object data-attr-data="it"></object>',
        '<svg><a><animate attributeName="href" data-attr-to="it"></animate></a></svg>',
        '<svg><script data-text="it"></script></svg>',
    ],
)
def test_attributes_and_elements_that_run_something_are_refused(
    site: Site, page: Page, console: Console, write: Write, markup: str
) -> None:
    console.expect("is refused", "Applying inline style")  # the policy objects to any <style>
    site.show(page, f"{markup}<b data-text='it'></b>", write("shown.js", MODULE), it="window.hit=1")
    assert console.matching("is refused")
    assert page.inner_text("b") == "window.hit=1"
    found = page.locator("[onclick], [style], [srcdoc], [src='window.hit=1'], [to], [data]")
    assert found.count() == 0
    assert page.evaluate("window.hit") is None


def test_python_in_a_script_element_is_not_run(site: Site, page: Page, write: Write) -> None:
    # Brython would run it with eval, which a page with modules in Python has to allow.
    attack = (
        '<script type="text/python">from browser import window\nwindow.hit = 1</script>'
        '<script type="text/python3">from browser import window\nwindow.hit = 1</script>'
    )
    module = write(
        "shown.py",
        """
        from sprag import Module

        class Shown(Module):
            def on_start(self):
                self.set_state({"it": "started"})
        """,
    )
    site.show(page, attack + '<p data-text="it">', module)
    assert page.inner_text("p") == "started"
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.type = "text/python";
            script.textContent = "from browser import window\\nwindow.hit = 1";
            document.body.append(script);
        }"""
    )
    page.reload(wait_until="load")
    page.wait_for_selector("html[data-sprag=ready]", state="attached")
    assert page.evaluate("window.hit") is None


def test_python_cannot_set_what_runs_either(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("is refused")
    module = write(
        "shown.py",
        """
        from sprag import Module

        class Shown(Module):
            def on_start(self):
                link = self.element.query("a")
                link.attributes["href"] = "javascript:window.hit=1"
                link.attributes["onclick"] = "window.hit=1"
                link.attributes["style"] = "color: red"
                link.text = "<b>bold</b>"
                try:
                    self.element.query("script").text = "window.hit=1"
                except ValueError as error:
                    link.attributes["title"] = str(error)
        """,
    )
    site.show(page, '<a>x</a><script type="text/plain"></script>', module)
    assert page.inner_text("a") == "<b>bold</b>"
    assert page.locator("a").get_attribute("title") == "text is refused on <script>"
    assert page.locator("a[href], a[onclick], a[style]").count() == 0
