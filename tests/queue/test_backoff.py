import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprag.queue import Backoff, ConfigurationError

MIDDLE = 0.5
"""The noise that changes nothing."""


def delays(backoff: Backoff, count: int) -> list[float]:
    return [backoff.delay(attempt, lambda: MIDDLE) for attempt in range(1, count + 1)]


def test_each_wait_is_a_factor_longer_up_to_the_limit() -> None:
    assert delays(Backoff(first=1, factor=2, limit=10), 6) == pytest.approx([1, 2, 4, 8, 10, 10])


def test_a_number_of_seconds_is_the_same_wait_each_time() -> None:
    assert delays(Backoff.of(2.5), 4) == [2.5] * 4
    assert Backoff.of(2.5).delay(3) == 2.5
    assert delays(Backoff.of(0), 3) == [0] * 3


def test_a_backoff_stands_for_itself() -> None:
    backoff = Backoff(first=3)
    assert Backoff.of(backoff) is backoff


def test_jitter_spreads_in_both_directions() -> None:
    backoff = Backoff(first=10, jitter=0.2)
    assert backoff.delay(1, lambda: 0.0) == pytest.approx(8)
    assert backoff.delay(1, lambda: 1.0) == pytest.approx(12)
    assert len({backoff.delay(1) for _ in range(20)}) > 1


def test_a_high_attempt_number_does_not_overflow() -> None:
    assert Backoff(first=1, factor=1e300, limit=5).delay(10**6, lambda: MIDDLE) == 5
    assert Backoff(first=0, factor=10).delay(10**6, lambda: MIDDLE) == 0


NUMBERS = st.floats(0, 1e9)


@given(
    first=NUMBERS,
    more=NUMBERS,
    factor=st.floats(1, 1e6),
    jitter=st.floats(0, 1),
    attempt=st.integers(1, 10**6),
    noise=st.floats(0, 1),
)
def test_a_wait_is_never_negative_nor_above_limit_and_jitter(
    first: float, more: float, factor: float, jitter: float, attempt: int, noise: float
) -> None:
    backoff = Backoff(first, factor, first + more, jitter)
    wait = backoff.delay(attempt, lambda: noise)
    assert 0 <= wait <= backoff.limit * (1 + jitter)
    assert Backoff.from_json(backoff.to_json()) == backoff


def test_it_is_stored_as_plain_json() -> None:
    assert json.loads(Backoff(1, 2, 3, 0.5).to_json()) == {
        "first": 1, "factor": 2, "limit": 3, "jitter": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"first": -1}, "Backoff.first: expected seconds, .* got -1"),
        ({"first": 2, "limit": 1}, "expected first <= limit, got first=2, limit=1"),
        ({"first": float("nan")}, "Backoff.first: expected"),
        ({"limit": float("inf")}, "Backoff.limit: expected"),
        ({"limit": float("nan")}, "Backoff.limit: expected"),
        ({"factor": 0.5}, "Backoff.factor: expected at least 1"),
        ({"factor": float("nan")}, "Backoff.factor"),
        ({"factor": float("inf")}, "Backoff.factor"),
        ({"jitter": -0.1}, "Backoff.jitter: expected 0 to 1"),
        ({"jitter": 1.1}, "Backoff.jitter: expected 0 to 1"),
        ({"jitter": float("nan")}, "Backoff.jitter"),
        ({"first": "soon"}, "Backoff.first: expected seconds, .* got 'soon'"),
        ({"first": True}, "Backoff.first: expected seconds, .* got True"),
        ({"jitter": None}, "Backoff.jitter: expected a number, got None"),
    ],
)
def test_what_cannot_be_a_backoff_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Backoff(**options)


@pytest.mark.parametrize("text", ["5", "2.5"])
def test_a_number_is_read_as_seconds(text: str) -> None:
    assert Backoff.from_json(text) == Backoff.of(float(text))


@pytest.mark.parametrize(
    "text", ['"soon"', "null", "true", "[]", "-1", '{"wait": 5}', '{"first": "x"}', '{"factor": 0}']
)
def test_text_that_is_no_backoff_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"(?i)backoff"):
        Backoff.from_json(text)


@pytest.mark.parametrize("value", ["soon", None, True, [1], -1, float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"(?i)backoff"):
        Backoff.of(value)
