from __future__ import annotations

import pytest

from sprag.browser.check import check_markup

CLASSES = {
    "Upload": frozenset(["on_cancel", "on_drop"]),
    "Clock": frozenset(["on_tick"]),
    "Script": None,
}


def problems(html: str, **classes: frozenset[str] | None) -> list[str]:
    return check_markup(html, "page.html", classes or CLASSES)


RIGHT = """
{% extends "shell.html" %}
<main data-module="Upload" {{ attrs }} class="{% if a < b %}x{% endif %}">
  <p data-text="job.error.message" data-show="!job"><br>
  <button data-on-click="on_cancel" data-attr-disabled="!job" data-class-late="is_late">x</button>
  <button data-on-click="{{ handler }}">x</button>
  {# <b data-on-click="gone"> #}
  <template data-each="jobs" data-key="id"><li data-text="."><li data-on-drop="on_drop"></template>
  <section data-module="Script"><i data-on-click="whatever"></i></section>
  <svg><use data-attr-href="icon"/></svg>
</main>
<b data-on-click="on_tick">in the body, which is Clock's</b>
"""


def test_markup_that_works_has_no_problems() -> None:
    assert problems(RIGHT) == []


@pytest.mark.parametrize(
    ("html", "line", "told"),
    [
        (
            '\n<p data-module="Upload" data-on-click="cancel">',
            2,
            "names a method that Upload does not have",
        ),
        ('<main data-module="Upload">\n<b\n data-on-click="on_tick">', 3, "it has on_cancel, on_d"),
        ('<b data-module="Upload"></b>\n{{ "\n" }}<i data-on-click="x">', 3, "does not have"),
        ('<p data-module="Nobody">', 1, "names a module that the page does not have"),
        ('<p data-text="a b">', 1, "must be names with dots"),
        ('<p data-text="f()">', 1, "must be names with dots"),
        ('<p data-text="">', 1, "must be names with dots"),
        ('<p data-show="!!a">', 1, "must be names with dots"),
        ('<p data-class-x="a.">', 1, "must be names with dots"),
        ('<p data-attr-title="a||b">', 1, "must be names with dots"),
        ('<template data-each="a[0]">', 1, "must be names with dots"),
        ('<template data-each="a" data-key="!id">', 1, "must be the name in an item"),
        ('<ul data-each="a">', 1, "must be on a <template>"),
        ('<p data-attr-onclick="a">', 1, "is refused"),
        ('<p data-attr-srcdoc="a">', 1, "is refused"),
        ('<p data-attr-style="a">', 1, "is refused"),
        ('<script data-text="a"></script>', 1, "is refused on <script>"),
        ('<p data-onclick="a">', 1, "expected data-on-click"),
    ],
)
def test_a_problem_is_told_by_file_and_line(html: str, line: int, told: str) -> None:
    (problem,) = problems(html, Upload=CLASSES["Upload"])
    assert problem.startswith(f"page.html:{line}: <")
    assert told in problem


def test_a_page_without_modules_has_nobody_to_handle_an_event() -> None:
    (problem,) = check_markup('<p data-on-click="x">', "page.html", {})
    assert "the page has no module" in problem
