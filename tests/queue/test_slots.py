"""A schedule's slots are those that its definition names, through every change of clocks."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sprag.queue import ConfigurationError
from sprag.queue.slots import Interval, calendar, slots_of
from tests.support import said

# Each with a night, or a day, in which its clocks change.
CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)), ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)), ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)), ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Africa/Casablanca", date(2026, 2, 15)), ("America/St_Johns", date(2006, 10, 29)),
    ("Pacific/Apia", date(2011, 12, 30)), ("UTC", date(2026, 3, 29)),
]  # fmt: skip
MINUTE = timedelta(minutes=1)


def moments(zone: str, *local: str, fold: int = 0) -> list[float]:
    at = [datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold) for text in local]
    return [moment.timestamp() for moment in at]


def following(expression: str, zone: str, start: float, count: int) -> list[float]:
    slots, found = calendar(expression, zone), [start]
    for _ in range(count):
        slot = slots.after(found[-1])
        assert slot is not None
        found.append(slot)
    return found[1:]


# ---------------------------------------------------------------- clock changes, by hand


def test_a_fixed_time_comes_once_in_an_hour_that_repeats() -> None:
    [start] = moments("Europe/Berlin", "2026-10-24 12:00")
    assert following("30 2 * * *", "Europe/Berlin", start, 2) == moments(
        "Europe/Berlin", "2026-10-25 02:30", "2026-10-26 02:30"
    )
    [start] = moments("America/New_York", "2026-11-01 00:00")
    assert following("30 1 * * *", "America/New_York", start, 2) == moments(
        "America/New_York", "2026-11-01 01:30", "2026-11-02 01:30"
    )
    # Lord Howe's clocks go back by half an hour, from 2:00 to 1:30.
    [start] = moments("Australia/Lord_Howe", "2026-04-05 00:00")
    assert following("45 1 * * *", "Australia/Lord_Howe", start, 2) == moments(
        "Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-06 01:45"
    )


def test_a_fixed_time_that_is_skipped_comes_right_after_the_gap() -> None:
    [start] = moments("Europe/Berlin", "2026-03-28 12:00")
    assert following("30 2 * * *", "Europe/Berlin", start, 2) == moments(
        "Europe/Berlin", "2026-03-29 03:00", "2026-03-30 02:30"
    )
    [start] = moments("America/New_York", "2026-03-08 00:00")
    assert following("15,45 2 * * *", "America/New_York", start, 2) == moments(
        "America/New_York", "2026-03-08 03:00", "2026-03-09 02:15"
    )
    # From 2:00 to 2:30.
    [start] = moments("Australia/Lord_Howe", "2026-10-04 00:00")
    assert following("10 2 * * *", "Australia/Lord_Howe", start, 2) == moments(
        "Australia/Lord_Howe", "2026-10-04 02:30", "2026-10-05 02:10"
    )


def test_what_repeats_by_itself_goes_on_as_time_does() -> None:
    [start] = moments("Europe/Berlin", "2026-10-25 01:30")
    every_half_hour = following("*/30 * * * *", "Europe/Berlin", start, 5)
    assert every_half_hour == [start + 1800 * n for n in range(1, 6)]


def test_a_slot_is_never_before_the_moment_it_is_asked_for() -> None:
    """Within the second pass of an hour, cronsim begins with times of the first."""
    [again] = moments("Europe/Berlin", "2026-10-25 02:10", fold=1)
    assert following("30 2 * * *", "Europe/Berlin", again, 1) == moments(
        "Europe/Berlin", "2026-10-26 02:30"
    )


# ---------------------------------------------------------------- clock changes, by a model


def matching(minutes: set[int], hours: set[int], day: date) -> Iterator[datetime]:
    for hour in sorted(hours):
        for minute in sorted(minutes):
            yield datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001  # local


def resolved(local: datetime, zone: ZoneInfo) -> float:
    """When a local time comes first, or the end of the gap that skips it."""
    while True:
        moment = local.replace(tzinfo=zone, fold=0)
        if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local:
            return moment.timestamp()
        local += MINUTE


def modelled(
    minutes: set[int], hours: set[int], *, real: bool, zone: ZoneInfo, around: date
) -> list[float]:
    """The slots of some days around one."""
    days = [around + timedelta(days=n) for n in range(-4, 6)]
    if not real:
        return sorted({resolved(at, zone) for day in days for at in matching(minutes, hours, day)})
    start = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC)
    every = (start + n * MINUTE for n in range(10 * 1440))
    local = ((moment, moment.astimezone(zone)) for moment in every)
    return [m.timestamp() for m, at in local if at.minute in minutes and at.hour in hours]


def a_field(most: int, steps: list[int]) -> st.SearchStrategy[tuple[str, set[int]]]:
    listed = st.sets(st.integers(0, most), min_size=1, max_size=3)
    return st.one_of(
        listed.map(lambda some: (",".join(map(str, sorted(some))), some)),
        st.sampled_from(steps).map(lambda step: (f"*/{step}", set(range(0, most + 1, step)))),
        st.just(("*", set(range(most + 1)))),
    )


@given(
    st.sampled_from(CHANGES),
    a_field(59, [7, 15, 30]),
    st.one_of(a_field(23, [2, 5]), a_field(4, [2])),
    st.floats(-1.5, 1.5),
    st.floats(0, 1.5),
)
@example(("Europe/Berlin", date(2026, 10, 25)), ("10,50", {10, 50}), ("2", {2}), 0.1, 0.2)
@example(("Pacific/Apia", date(2011, 12, 30)), ("0", {0}), ("12", {12}), -0.5, 1.4)
def test_slots_are_those_of_a_model_that_looks_at_each_minute(
    change: tuple[str, date],
    minute: tuple[str, set[int]],
    hour: tuple[str, set[int]],
    days: float,
    more: float,
) -> None:
    name, around = change
    zone = ZoneInfo(name)
    (minutes_text, minutes), (hours_text, hours) = minute, hour
    real = minutes_text.startswith("*") or hours_text.startswith("*")
    if hours_text.startswith("*"):  # the model's range may be a part of the day's hours
        step = int(hours_text[2:] or 1)
        hours = set(range(0, 24, step))
    model = modelled(minutes, hours, real=real, zone=zone, around=around)
    noon = datetime(around.year, around.month, around.day, 12, tzinfo=UTC).timestamp()
    after = noon + days * 86400
    until = after + more * 86400
    slots = calendar(f"{minutes_text} {hours_text} * * *", name)
    assert slots.after(after) == model[bisect_right(model, after)]
    due = model[bisect_right(model, after) : bisect_right(model, until)]
    assert slots.newest(after, until) == (due[-1] if due else None)


# ---------------------------------------------------------------- after a long time


@pytest.mark.parametrize("expression", ["* * * * *", "0 6 * * *", "0 0 29 2 *"])
def test_the_newest_slot_of_ten_years_is_found_at_once(expression: str) -> None:
    """One by one, these would be five million."""
    slots = calendar(expression, "Europe/Berlin")
    [start, end] = moments("Europe/Berlin", "2016-07-01", "2026-07-01 12:00:30")
    newest = slots.newest(start, end)
    assert newest is not None
    following_one = slots.after(newest)
    assert following_one is not None
    assert newest <= end < following_one


@pytest.mark.parametrize("at", [1e11, 253402300799.0, -1e9, 0.0, 0.5])
def test_any_moment_can_be_asked_for(at: float) -> None:
    for slots in (Interval(300), calendar("0 6 * * *", "Europe/Berlin")):
        slot = slots.after(at)
        assert slot is None or slot > at
        slots.newest(at, at + 86400)


# ---------------------------------------------------------------- intervals


@given(st.integers(1, 10**8), st.floats(0, 4e9), st.floats(0, 1e8))
def test_an_interval_is_counted_from_1970(seconds: int, after: float, more: float) -> None:
    slots = Interval(seconds)
    first = slots.after(after)
    assert first is not None
    assert first % seconds == 0
    assert first - seconds <= after < first
    newest = slots.newest(after, after + more)
    if newest is None:
        assert first > after + more
    else:
        assert newest % seconds == 0
        assert first <= newest <= after + more < newest + seconds


# ---------------------------------------------------------------- words and definitions


def test_slots_are_told_in_words() -> None:
    told = {seconds: Interval(seconds).words for seconds in (1, 60, 300, 5400, 7 * 86400)}
    assert told == {
        1: "every second", 60: "every minute", 300: "every 5 minutes",
        5400: "every 1 hour 30 minutes", 604800: "every 7 days",
    }  # fmt: skip
    assert calendar("0 6 * * MON-FRI", "Europe/Berlin").words == (
        "at 06:00 on Monday through Friday (Europe/Berlin)"
    )


def test_a_stored_definition_is_read_back() -> None:
    assert slots_of('{"every": 300}').words == "every 5 minutes"
    assert slots_of('{"cron": "0 6 * * *", "timezone": "UTC"}').words == (
        "at 06:00 every day (UTC)"
    )


@pytest.mark.parametrize(
    "stored",
    ["", "null", "[]", "{}", '{"every": 0}', '{"every": "5"}', '{"every": true}', '{"cron": 7}',
     '{"cron": "0 6 * * *"}', '{"cron": "bad", "timezone": "UTC"}', "[" * 100_000,
     json.dumps({"cron": "0 6 * * *", "timezone": "Mars/Olympus"})],
    ids=lambda stored: stored[:40],
)  # fmt: skip
def test_a_definition_of_another_program_that_makes_no_sense_is_refused(stored: str) -> None:
    with pytest.raises(ConfigurationError):
        slots_of(stored)


@pytest.mark.parametrize(
    "expression",
    ["", "0 6 * *", "60 6 * * *", "0 24 * * *", "0 6 0 * *", "0 6 * 13 *", "0 6 * * 8",
     "0 6 31 2 *", "0 0 6 * * *", "*/0 * * * *", "5-1 * * * *", "@daily", "0 6 * * \ud800",
     "x" * 1000,
     f"{'9' * 190} * * * *", "L * * * *", "² * * * *", None, 6, b"0 6 * * *"],
    ids=ascii,
)  # fmt: skip
def test_a_cron_expression_that_makes_no_sense_is_refused(expression: object) -> None:
    with pytest.raises(ConfigurationError, match="expected five fields"):
        calendar(expression, "UTC")


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "Europe", "", "../UTC", "/etc/localtime", "\ud800", "\0", 7, None],
    ids=ascii,
)  # fmt: skip
def test_a_time_zone_that_is_not_known_is_refused(zone: object) -> None:
    with pytest.raises(ConfigurationError, match="timezone: expected the name of a time zone"):
        calendar("0 6 * * *", zone)


def test_who_lacks_cronsim_is_told_what_to_install() -> None:
    code = """
        import sys
        sys.modules["cronsim"] = None
        from sprag.queue import ConfigurationError, Cron, Every
        print(Every(minutes=5))
        try:
            Cron("0 6 * * *")
        except ConfigurationError as error:
            print(error)
        """
    assert said(code).splitlines() == [
        "Every('every 5 minutes')",
        "a Cron schedule needs the package cronsim, which is not installed: pip install "
        "'sprag-queue[schedules]'. Every() needs nothing",
    ]


def test_a_queue_without_cron_loads_neither_cronsim_nor_time_zones() -> None:
    code = """
        import sys
        from sprag.queue import Every
        Every(minutes=5)
        print(sorted({"cronsim", "zoneinfo"}.intersection(sys.modules)))
        """
    assert said(code) == "[]"
