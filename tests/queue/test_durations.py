"""Durations are read alike everywhere: numbers, timedeltas and text."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprag.queue import Backoff, ConfigurationError, WaitTimeout
from sprag.queue.durations import parsed, seconds
from sprag.queue.service import life_of
from tests.conftest import MakeQueue
from tests.support import named, queue_class, sql

TEXTS = [
    ("90s", 90.0),
    ("5m", 300.0),
    ("1h30m", 5400.0),
    ("12h", 43200.0),
    ("7d", 604800.0),
    ("2w", 1209600.0),
    ("250ms", 0.25),
    ("1.5h", 5400.0),
    ("90", 90.0),
    ("0", 0.0),
    (" 5M ", 300.0),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_text_is_read_as_seconds(text: str, expected: float) -> None:
    assert seconds("delay", text) == parsed(text) == expected


@pytest.mark.parametrize(
    "value",
    ["", "5 minutes", "m", "5x", "-5m", "1h-30m", "5m!", "٣m", "1e3", "nan", "inf", "9" * 1000,
     "1d\n5", -1, math.nan, math.inf, True, None, b"5m", [5], timedelta(seconds=-1), 1e12,
     "9999999w"],
    ids=named,
)  # fmt: skip
def test_what_is_no_duration_is_refused_with_what_is(value: Any) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        seconds("delay", value)
    assert str(refusal.value).startswith(
        'delay: expected seconds, a timedelta, or text such as "90s", "5m", "1h30m" or "7d", '
        "not negative, got "
    )


@given(st.text(max_size=30) | st.from_regex(r"[0-9.smhdw]{0,12}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = parsed(text)
    assert found is None or 0 <= found < math.inf


def test_all_that_takes_a_duration_takes_text(make_queue: MakeQueue, database: Path) -> None:
    queue = make_queue(grace_seconds="2m", busy_seconds=timedelta(seconds=3), backoff="30s")
    settings = life_of(queue).settings
    assert (settings.grace_seconds, settings.busy_seconds) == (120.0, 3.0)
    assert settings.backoff == Backoff(30.0, 1.0, 30.0, 0.0)
    assert Backoff("30s", limit=timedelta(hours=1)) == Backoff(30.0, limit=3600.0)
    job = queue.enqueue(1, delay="5m", backoff="1m")
    assert job.due_at - job.created_at == pytest.approx(300, abs=5)
    [(stored,)] = sql(database, "SELECT backoff FROM job")
    assert Backoff.from_json(stored) == Backoff.of(60)
    with pytest.raises(WaitTimeout):
        queue.wait(job.id, "20ms")
    queue.cancel(job.id)
    queue.enqueue(2)
    assert queue.prune(older_than="7d") == 0
    assert queue.prune(older_than="0s") == 1
    queue.stop("1s")


def test_a_class_may_say_its_durations_as_text(database: Path) -> None:
    kind = queue_class()
    kind.grace_seconds = "1m"
    queue = kind(database=database)
    assert life_of(queue).settings.grace_seconds == 60.0
    assert queue.grace_seconds == "1m"
