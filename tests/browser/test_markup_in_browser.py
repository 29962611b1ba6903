"""What the attributes of markup do, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site
from tests.chromium import Console

Write = Callable[[str, str], Path]
Show = Callable[..., None]


@pytest.fixture
def show(site: Site, page: Page, write: Write) -> Show:
    """Show markup beside a module whose setState the test may call as `set(changes)`."""

    def show_page(html: str, **state: Any) -> None:
        module = write(
            "shown.js",
            """
            import { Module } from "./sprag.js";
            export class Shown extends Module {
              onStart() { window.set = (changes) => this.setState(changes); window.calls = []; }
              note(event, target) { calls.push([event.type, target.id, event.target.id]); }
              broken() { throw new Error("broken on purpose"); }
            }
            """,
        )
        site.show(page, html, module, **state)

    return show_page


def test_text_follows_the_state(show: Show, page: Page) -> None:
    show('<p data-text="job.message">before</p>', job={"message": "one"})
    expect(page.locator("p")).to_have_text("one")
    page.evaluate("set({job: {message: 'two'}})")
    assert page.inner_text("p") == "two"
    page.evaluate("set({job: null})")
    assert page.inner_text("p") == ""
    page.evaluate("set({job: {message: 0}})")
    assert page.inner_text("p") == "0"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, False), ("", False), (None, False), ([], False), ({}, False), (1, True), ([0], True)],
)
def test_show_and_not_show_take_true_as_python_does(
    show: Show, page: Page, value: object, shown: bool
) -> None:
    show('<b data-show="it">yes</b><i data-show="!it">no</i>', it=value)
    assert page.is_visible("b") is shown
    assert page.is_visible("i") is not shown


def test_attributes_come_and_go(show: Show, page: Page) -> None:
    show(
        '<a data-attr-href="to" data-attr-aria-expanded="on" data-attr-hidden="on">x</a>'
        '<progress max="4" data-attr-value="done"></progress><button data-attr-disabled="on">',
        to="/jobs?a=1",
        on=True,
        done=None,
    )
    attribute = page.locator("a").get_attribute
    assert attribute("href") == "/jobs?a=1"
    assert attribute("aria-expanded") == "true"
    assert attribute("hidden") == ""
    assert page.locator("button").is_disabled()
    assert page.evaluate("document.querySelector('progress').position") == -1
    page.evaluate("set({to: null, on: false, done: 3})")
    assert attribute("href") is None
    assert attribute("aria-expanded") == "false"
    assert attribute("hidden") is None
    assert page.locator("button").is_enabled()
    assert page.evaluate("document.querySelector('progress').position") == 0.75


def test_fields_take_values_without_losing_what_a_person_types(show: Show, page: Page) -> None:
    show(
        '<input id="name" data-attr-value="name"><input type="checkbox" data-attr-checked="on">'
        '<select data-attr-value="size"><template data-each="sizes">'
        '<option data-attr-value="." data-text="."></option></template></select>',
        name="a",
        on=True,
        size="l",
        sizes=["s", "m", "l"],
    )
    assert page.input_value("#name") == "a"
    assert page.is_checked("[type=checkbox]")
    assert page.input_value("select") == "l"
    page.fill("#name", "typed")
    page.evaluate("set({size: 's', name: 'a', on: false})")
    assert page.input_value("#name") == "typed"
    assert page.input_value("select") == "s"
    assert not page.is_checked("[type=checkbox]")
    page.evaluate("set({name: 'new'})")
    assert page.input_value("#name") == "new"


def test_classes_are_switched_one_by_one(show: Show, page: Page) -> None:
    show('<p class="own" data-class-busy="busy" data-class-late="!busy">x</p>', busy=True)
    expect(page.locator("p")).to_have_class("own busy")
    page.evaluate("set({busy: false})")
    expect(page.locator("p")).to_have_class("own late")


def test_events_reach_methods_with_the_element_that_bears_the_attribute(
    show: Show, page: Page
) -> None:
    show('<button id="outer" data-on-click="note"><b id="inner">x</b></button>')
    page.click("#inner")
    assert page.evaluate("calls") == [["click", "outer", "inner"]]


LIST = """
<ul><template data-each="jobs" data-key="id"><li>
  <input data-attr-id="id"><b data-text="label"></b>:<i data-text="unit"></i>
  <template data-each="steps" data-key="name"><u data-text="name"></u><s data-text="label"></s>
  </template></li></template></ul><p>after</p>
"""


def test_a_list_keeps_the_nodes_of_items_that_stay(show: Show, page: Page) -> None:
    def job(name: str, *steps: str) -> dict[str, Any]:
        return {"id": name, "label": name.upper(), "steps": [{"name": step} for step in steps]}

    show(LIST, unit="px", jobs=[job("a", "x", "y"), job("b"), job("c")])
    assert page.locator("li").count() == 3
    assert page.locator("li").first.inner_text().split() == ["A:px", "xA", "yA"]
    page.evaluate("for (const li of document.querySelectorAll('li')) li.was = li.innerText")
    page.focus("#b")
    page.keyboard.type("typed")
    page.evaluate("(jobs) => set({jobs})", [job("d"), job("c"), job("b", "z"), job("a", "y", "x")])
    assert page.locator("b").all_inner_texts() == ["D", "C", "B", "A"]
    assert page.evaluate("[...document.querySelectorAll('li')].map(li => Boolean(li.was))") == [
        False,
        True,
        True,
        True,
    ]
    assert page.locator("u").all_inner_texts() == ["z", "y", "x"]
    assert page.evaluate("document.activeElement.id") == "b"
    page.keyboard.type("!")
    assert page.input_value("#b") == "typed!"
    page.evaluate("set({unit: 'em', jobs: [{id: 'b', label: 'changed'}]})")
    assert page.locator("li").inner_text().split() == ["changed:em"]
    page.evaluate("set({jobs: null})")
    assert page.locator("li").count() == 0
    assert page.evaluate("document.querySelector('ul').nextElementSibling.innerText") == "after"


def test_lists_within_lists_move_with_their_rows(show: Show, page: Page) -> None:
    show(
        '<template data-each="rows" data-key="id"><template data-each="cells">'
        '<b data-text="."></b></template></template>',
        rows=[{"id": 1, "cells": ["a", "b"]}, {"id": 2, "cells": ["c"]}],
    )
    assert page.locator("b").all_inner_texts() == ["a", "b", "c"]
    page.evaluate("set({rows: [{id: 2, cells: ['c', 'd']}, {id: 1, cells: ['b']}]})")
    assert page.locator("b").all_inner_texts() == ["c", "d", "b"]
    page.evaluate("set({rows: [{id: 1, cells: []}]})")
    assert page.locator("b").count() == 0


def test_an_items_names_come_before_those_of_the_state(show: Show, page: Page) -> None:
    show(
        '<template data-each="items"><b data-text="name"></b><i data-text="other"></i></template>',
        items=[{"name": "item"}, {"name": None}],
        name="state",
        other="of the state",
    )
    assert page.locator("b").all_inner_texts() == ["item", ""]
    assert page.locator("i").all_inner_texts() == ["of the state", "of the state"]


def test_names_that_objects_inherit_are_no_data(show: Show, page: Page) -> None:
    show('<p data-text="constructor"></p><b data-text="list.length"></b>', list=[1, 2])
    assert page.inner_text("p") == ""
    assert page.inner_text("b") == "2"


def test_mistakes_in_markup_are_told_and_leave_the_rest_alone(
    show: Show, page: Page, console: Console
) -> None:
    console.expect("sprag: ")
    show(
        '<p id="a" data-text="job..x"></p><p data-text="alert(1)"></p>'
        '<button id="b" data-on-click="nothing"></button>'
        '<button id="c" data-on-click="setState"></button>'
        '<ul id="d" data-each="jobs"></ul>'
        '<template id="e" data-each="word" data-key="id"></template>'
        '<template id="f" data-each="twice" data-key="id"><i data-text="id"></i></template>'
        '<section id="g" data-module="Nobody"></section>'
        '<p id="last" data-text="word"></p>',
        word="here",
        twice=[{"id": 1}, {"id": 1}],
    )
    for told in (
        '<p id="a"> data-text="job..x" must be names with dots',
        'data-text="alert\\(1\\)" must be names',
        '<button id="b"> data-on-click="nothing" names a method that Shown does not have',
        '<button id="c"> data-on-click="setState" names a method',
        '<ul id="d"> data-each="jobs" must be on a <template>',
        '<template id="e"> data-each="word" must name a list, but the state has a string',
        '<template id="f"> data-each="twice" has items whose id is missing or not unique',
        '<section id="g"> data-module="Nobody" names a module that this page does not have',
    ):
        assert console.matching(told), (told, console.errors)
    assert page.inner_text("#last") == "here"
    assert page.locator("i").count() == 2


@pytest.mark.parametrize(
    ("markup", "told"),
    [
        ('<p id="a" data-text="jobz"></p>',
         '<p id="a"> data-text="jobz" shows nothing: there is no "jobz" in the state, which has '
         'jobs, problem; did you mean jobs?'),
        ('<p data-show="!problm"></p>', "did you mean problem?"),
        ('<progress data-attr-value="jobs.lenght"></progress>', 'there is no "lenght" in what it'),
        ('<template data-each="job"><b data-text="id"></b></template>', "did you mean jobs?"),
        ('<template data-each="jobs"><b data-text="lable"></b></template>', "did you mean label?"),
        ('<template data-each="jobs"><b data-text="progress.percnt"></b></template>',
         "did you mean percent?"),
        ('<p data-txt="problem"></p>', 'data-txt="problem" does nothing: did you mean data-text?'),
        ('<p data-shwo="problem"></p>', "did you mean data-show?"),
        ('<b data-atr-value="problem"></b>', "did you mean data-attr-value?"),
        ('<b data-clas-done="problem"></b>', "did you mean data-class-done?"),
        ('<template data-eahc="jobs"></template>', "did you mean data-each?"),
        ('<b data-on-clik="note"></b>', "is not an event of browsers; did you mean click?"),
    ],
)  # fmt: skip
def test_what_may_be_misspelt_is_told_once_with_its_element(
    markup: str, told: str, show: Show, page: Page, console: Console
) -> None:
    jobs = [{"id": n, "label": "x", "progress": {"percent": 5}} for n in range(3)]
    show(f'{markup}<output data-text="problem"></output>', jobs=jobs, problem="")
    page.evaluate("set({problem: 'new'})")
    expect(page.locator("output")).to_have_text("new")
    found = [line for line in console.lines if told in line]
    assert len(found) == (3 if "lable" in markup or "percnt" in markup else 1), console.lines


def test_an_element_is_told_as_a_person_finds_it(show: Show, page: Page, console: Console) -> None:
    console.expect("sprag: ")
    show(
        '<ul id="list"><li><b class="big red" data-on-click="nothing"></b></li></ul>'
        '<a data-attr-href="url"></a>',
        url="javascript:1",
    )
    assert console.errors == [
        'sprag: <b class="big red"> in <ul id="list"> data-on-click="nothing" names a method that '
        "Shown does not have",
        "sprag: <a> href from data is refused: javascript: is not allowed there",
    ]


def test_a_link_that_is_no_url_is_refused(show: Show, page: Page, console: Console) -> None:
    console.expect("sprag: ")
    show('<a data-attr-href="url"></a>', url="http://[")
    assert console.errors == ["sprag: <a> href from data is refused: it is not a valid URL"]


def test_what_is_only_set_later_or_not_there_yet_is_not_told(
    show: Show, page: Page, console: Console
) -> None:
    show(
        '<p data-text="job.progress.percent" data-test="x" data-next="y" data-id="z"></p>'
        '<template data-each="jobs"><b data-text="progress.percent"></b></template>'
        '<p data-on-job-done="note" data-on-click="note" data-show="none"></p>',
        job=None, jobs=[{"id": 1, "progress": None}], none=None,
    )  # fmt: skip
    page.evaluate("set({job: {progress: null}})")
    assert console.lines == []


def test_a_module_may_set_the_state_as_it_starts(
    site: Site, page: Page, write: Write, console: Console
) -> None:
    source = """
        import { Module } from "./sprag.js";
        export class Page extends Module {
          onStart() { this.setState({ job: { message: "here" } }); }
        }
    """
    site.show(page, '<p data-text="job.message"></p>', write("page.js", source))
    expect(page.locator("p")).to_have_text("here")
    assert console.lines == []


def test_a_handler_that_fails_is_told_and_the_page_goes_on(
    show: Show, page: Page, console: Console
) -> None:
    console.expect("sprag: Shown, data-on-click=.*: Error: broken on purpose")
    show('<button data-on-click="broken">x</button><p data-text="now">', now="before")
    page.click("button")
    page.evaluate("set({now: 'after'})")
    assert page.inner_text("p") == "after"
    assert len(console.errors) == 1


def test_a_state_that_changes_while_it_is_shown_is_shown_at_last(show: Show, page: Page) -> None:
    show('<input id="a" data-attr-disabled="off"><p data-text="left"></p>', off=False, left="no")
    page.focus("#a")
    page.evaluate(
        "document.addEventListener('focusout', () => set({left: 'yes'})); set({off: true})"
    )
    page.evaluate("document.activeElement.blur()")
    expect(page.locator("p")).to_have_text("yes")
