"""How plain elements look with the default stylesheet, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from sprag.browser import stylesheet
from tests.browser.site import Site

MARKUP = """
    <h1>Page</h1><button>Go</button><p role="alert">Wrong</p><p role="alert" id="none"></p>
    <ul><template data-each="jobs"></template><li><progress max="100" value="30"></progress>
    <span>Running</span> <button>Cancel</button></li></ul>
    <form><label for="a">Name</label><br><input id="a"><button disabled>Send</button></form>
    <p id="hidden" class="row" hidden>Hidden</p>
    <table><tr><th>A</th><td>averyveryverylongwordthatdoesnotfitonaphone</td></tr></table>
"""


def styled(page: Page, site: Site) -> None:
    site.show(page, MARKUP)
    page.add_style_tag(content=stylesheet().content.decode())


def contrast(page: Page, selector: str) -> float:
    """Between the text of an element and what is behind it, as WCAG 2 counts it."""
    found = page.evaluate(
        """(selector) => {
            const colour = (text) => {
                const context = document.createElement("canvas").getContext("2d");
                context.fillStyle = text;
                context.fillRect(0, 0, 1, 1);
                return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const light = (text) => {
                const [r, g, b] = colour(text).map((part) => {
                    const value = part / 255;
                    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const element = document.querySelector(selector);
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") {
                behind = behind.parentElement;
            }
            const one = light(getComputedStyle(element).color);
            const other = light(getComputedStyle(behind).backgroundColor);
            return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        }""",
        selector,
    )
    return float(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_light_and_dark(scheme: str, page: Page, site: Site) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    styled(page, site)
    for selector in (
        "h1",
        "button",
        "[role=alert]",
        "li span",
        "li button",
        "label",
        "input",
        "th",
    ):
        assert contrast(page, selector) >= 4.5, selector
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(20, 23, 26)") == (scheme == "dark")


def test_what_is_empty_or_hidden_is_not_there(page: Page, site: Site) -> None:
    styled(page, site)
    assert page.is_visible("[role=alert]")
    assert not page.is_visible("#none")
    assert not page.is_visible("#hidden")


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_need_not_scroll_sideways(page: Page, site: Site, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 640})
    styled(page, site)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "markup",
    [
        "<h1>{word}</h1>",
        "<p><code>{word}</code></p>",
        '<div class="card"><p>{word}</p></div>',
        '<div class="row"><b>{word}</b><button>Go</button></div>',
        '<div><progress max="100" value="30"></progress><span>{word}</span></div>',
        '<ul><template data-each="a"></template><li><b>{word}</b><button>Go</button></ul>',
        "<form><fieldset><legend>{word}</legend><label>{word}</label></fieldset></form>",
        "<button>{word}</button>",
        "<details open><summary>{word}</summary>{word}</details>",
        '<p role="status">{word}</p>',
        "<nav><ul><li><a href='/'>{word}</a></li></ul></nav>",
        "<table><tr><th>A</th><td>{word}</td></tr></table>",
    ],
)
def test_a_long_word_stays_inside_of_what_it_is_in(markup: str, page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 390, "height": 640})
    site.show(page, markup.replace("{word}", "holiday_photograph_" * 6))
    page.add_style_tag(content=stylesheet().content.decode())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    outside = page.evaluate(
        """() => [...document.body.querySelectorAll("*")]
            .filter((one) => one.getBoundingClientRect().right
                > one.parentElement.getBoundingClientRect().right + 1)
            .map((one) => one.outerHTML)"""
    )
    assert outside == []
