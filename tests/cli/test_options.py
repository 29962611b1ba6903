from __future__ import annotations

from datetime import datetime

import click
import pytest

from sprag.cli import options


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90", 90), ("1.5s", 1.5), ("15m", 900), ("1h30m", 5400), ("7d", 604800), ("2W", 1209600)],
)
def test_a_span_is_a_number_with_units(given: str, seconds: float) -> None:
    assert options.span(given) == seconds


@pytest.mark.parametrize("given", ["", "-5", "7 days", "d", "5y", "1h30", "nan", "1e5", "٣s"])
def test_another_span_is_refused(given: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a duration such as"):
        options.span(given)


def test_a_moment_is_local_unless_it_says_otherwise() -> None:
    assert options.moment("2030-05-06T07:08") == datetime(2030, 5, 6, 7, 8).astimezone().timestamp()
    assert options.moment("2030-05-06T07:08Z") == 1904281680
    assert options.moment("1904281680.5") == 1904281680.5


@pytest.mark.parametrize("given", ["", "tomorrow", "12", "2030-13-01", "0001-01-01"])
def test_another_moment_is_refused(given: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a time such as"):
        options.moment(given)


def test_a_date_of_digits_alone_is_a_date() -> None:
    assert options.moment("20300506") == datetime(2030, 5, 6).astimezone().timestamp()


@pytest.mark.parametrize("given", ["abc", "xyz12", "a" * 33, "", "0650 e4f3"])
def test_what_cannot_be_the_beginning_of_an_id_is_refused(given: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a job's id"):
        options.job(given)


def test_an_id_may_be_given_in_capitals() -> None:
    assert options.job(" 0650E4F3 ") == "0650e4f3"
