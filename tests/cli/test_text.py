from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprag.cli import text


@given(st.text(st.characters()))
def test_no_foreign_text_reaches_a_terminal_with_a_control_character(foreign: str) -> None:
    for shown in (text.one_line(foreign), text.lines(foreign).replace("\n", "")):
        categories = {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"}
        assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_writing_and_emoji_stay_as_they_are() -> None:
    words = "Übung 東京 \u00a0 👩\u200d🚒 \u0645\u06cc\u200c\u062e"
    assert text.one_line(words) == words


def test_control_characters_are_shown_as_their_escapes() -> None:
    assert text.one_line("a\x1b[2J\r\n\x9b\u202e") == r"a\x1b[2J\r\n\x9b\u202e"


def test_lines_keep_their_breaks_and_tabs_become_blanks() -> None:
    assert text.lines("a\n\tb\rc") == "a\n    b\\rc"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0ms"),
        (0.0851, "85ms"),
        (3.21, "3.2s"),
        (45, "45s"),
        (200, "3m20s"),
        (7500, "2h05m"),
        (100 * 86400 + 3600, "100d1h"),
    ],
)
def test_durations_have_one_or_two_units(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("at", "shown"), [(997, "3s ago"), (800, "3m ago"), (1005, "in 5s"), (1000 + 7300, "in 2h")]
)
def test_ages_have_one_unit(at: float, shown: str) -> None:
    assert text.age(at, 1000) == shown


@pytest.mark.parametrize("at", [1e300, -1e300, float("inf"), float("nan")])
def test_a_time_that_no_calendar_has_is_shown_as_the_number_it_is(at: float) -> None:
    assert text.moment(at) == f"{at:g}"


@pytest.mark.parametrize(
    ("per_second", "shown"),
    [(0, "0"), (0.05, "3.0/min"), (1.5, "1.5/s"), (12345.6, "12,346/s")],
)
def test_rates_choose_a_unit_that_is_easy_to_read(per_second: float, shown: str) -> None:
    assert text.rate(per_second) == shown


def test_json_that_python_cannot_read_is_shown_as_stored() -> None:
    digits = "9" * 5000
    assert text.pretty(digits) == digits
    assert text.pretty("[" * 20_000) == "[" * 20_000
