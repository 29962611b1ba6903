"""Datetimes and times come back with their zone and fold, or are refused."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH, ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprag.queue import PayloadError
from sprag.queue.payload.codec import decode, encode
from tests.support import said

LIMIT = 1_000_000
BERLIN = ZoneInfo("Europe/Berlin")
TWICE = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
"""There are two of it: with fold=1 an hour later."""

OFFSETS = st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)).filter(
    lambda offset: not offset or abs(offset) >= timedelta(seconds=1)
)
ZONES = st.one_of(
    st.none(),
    st.just(UTC),
    OFFSETS.map(timezone),
    st.builds(timezone, OFFSETS, st.text("CEST+é ", max_size=5)),
    st.sampled_from(sorted(available_timezones())).map(ZoneInfo),
)


def same(one: Any, other: Any) -> bool:
    """Equal, in the same zone, with the same fold: no matter what one does with them."""
    if type(one) is not type(other) or repr(one) != repr(other) or one.fold != other.fold:
        return False
    if type(one.tzinfo) is not type(other.tzinfo) or one.tzinfo != other.tzinfo:
        return False
    return bool(
        one == other
        and (one.utcoffset(), one.dst(), one.tzname())
        == (other.utcoffset(), other.dst(), other.tzname())
    )


@given(st.datetimes(), ZONES, st.integers(0, 1))
def test_a_datetime_comes_back_as_it_went_in(at: datetime, zone: tzinfo | None, fold: int) -> None:
    value = at.replace(tzinfo=zone, fold=fold)
    back = decode(encode([value], LIMIT))[0]
    assert same(back, value)
    if 2 < at.year < 9998:
        for days in (1, 30, 200):
            later = timedelta(days=days)
            assert (back + later).isoformat() == (value + later).isoformat()


@given(st.times(), ZONES, st.integers(0, 1))
def test_a_time_comes_back_as_it_went_in(at: time, zone: tzinfo | None, fold: int) -> None:
    value = at.replace(tzinfo=zone, fold=fold)
    assert same(decode(encode([value], LIMIT))[0], value)


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("zone", [None, UTC, BERLIN, timezone(timedelta(hours=-5), "EST")])
@pytest.mark.parametrize(
    "at",
    [datetime.min, datetime.max, datetime(987, 6, 5)],  # noqa: DTZ001, DTZ901  # zones follow
)
def test_the_ends_of_time_come_back(at: datetime, zone: tzinfo | None, fold: int) -> None:
    value = at.replace(tzinfo=zone, fold=fold)
    assert same(decode(encode(value, LIMIT)), value)
    assert same(decode(encode(value.timetz(), LIMIT)), value.timetz())


def test_the_hour_that_there_is_twice_comes_back_as_the_one_it_was() -> None:
    first, second = decode(encode([TWICE, TWICE.replace(fold=1)], LIMIT))
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)


def test_times_are_kept_as_keys_and_in_sets() -> None:
    value = {TWICE.replace(fold=1): {time(12, tzinfo=BERLIN)}}
    [(at, times)] = decode(encode(value, LIMIT)).items()
    assert same(at, TWICE.replace(fold=1))
    assert same(times.pop(), time(12, tzinfo=BERLIN))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 2, 3, 4), '"2026-01-02T03:04:00"'),  # noqa: DTZ001
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00+00:00"'),
        (TWICE, '{"at":"2026-10-25T02:30:00+02:00","zone":"Europe/Berlin"}'),
        (TWICE.replace(fold=1),
         '{"at":"2026-10-25T02:30:00+01:00","zone":"Europe/Berlin","fold":1}'),
        (TWICE.replace(tzinfo=timezone(timedelta(hours=2), "CEST")),
         '{"at":"2026-10-25T02:30:00+02:00","name":"CEST"}'),
    ],
)  # fmt: skip
def test_a_time_has_one_readable_form(value: datetime, text: str) -> None:
    assert encode(value, LIMIT) == f'{{"$datetime":{text}}}'


@pytest.mark.parametrize(
    "text",
    ["2026-01-02T03:04:05", "2026-01-02T03:04:05.000001+05:30", "2026-01-02T00:00:00+00:00"],
)
def test_what_earlier_versions_stored_is_read(text: str) -> None:
    assert decode(f'{{"$datetime": "{text}"}}').isoformat() == text
    assert decode(f'{{"$time": "{text[11:]}"}}').isoformat() == text[11:]


# ---------------------------------------------------------------- refusals


class Fixed(tzinfo):
    """As dateutil and pytz have their own."""

    def utcoffset(self, at: datetime | None) -> timedelta:
        raise AssertionError("nobody needs to ask it")


class Berlin(ZoneInfo):
    pass


def from_file() -> ZoneInfo:
    found = [path for folder in TZPATH if (path := Path(folder, "Asia/Tokyo")).exists()]
    if not found:
        pytest.skip("the zones are those of the package tzdata")
    with found[0].open("rb") as file:
        return ZoneInfo.from_file(file, key="Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        (Fixed, r"is a .*Fixed: expected datetime.timezone or zoneinfo.ZoneInfo. Convert it first"),
        (lambda: Berlin("Europe/Berlin"), r"is a .*test_times.Berlin: expected"),
        (from_file, r"not from_file\(\)"),
        (lambda: ZoneInfo.no_cache("Europe/Berlin"), r"or no_cache\(\)"),
        (lambda: timezone(timedelta(microseconds=5)), "less than a second"),
    ],
    ids=["tzinfo", "subclass", "from_file", "no_cache", "microseconds"],
)
def test_a_zone_that_could_not_be_found_again_is_refused(zone: Any, reason: str) -> None:
    for value in (datetime(2026, 1, 1, tzinfo=zone()), time(12, tzinfo=zone())):
        with pytest.raises(PayloadError, match=reason) as refusal:
            encode({"when": [value]}, LIMIT)
        assert refusal.value.path == "item['when'][0]"


@pytest.mark.parametrize(
    "content",
    [
        '{"at":"2026-10-25T02:30:00+02:00","zone":"../../etc/passwd"}',
        '{"at":"2026-10-25T02:30:00+02:00","zone":"/etc/localtime"}',
        '{"at":"2026-10-25T02:30:00+02:00","zone":"os.path/x"}',
        '{"at":"2026-10-25T02:30:00+02:00","zone":"Europe"}',
        '{"at":"2026-10-25T02:30:00+02:00","zone":""}',
        '{"at":"2026-10-25T02:30:00+02:00","zone":"Berlin\\u0000"}',
        '{"at":"2026-10-25T02:30:00+02:00","zone":5}',
        '{"at":"2026-10-25T02:30:00+02:00","zone":null}',
        '{"at":"2026-10-25T02:30:00+02:00","fold":2}',
        '{"at":"2026-10-25T02:30:00+02:00","fold":"1"}',
        '{"at":"2026-10-25T02:30:00+02:00","name":5}',
        '{"at":"2026-10-25T02:30:00","name":"CEST"}',
        '{"at":"2026-10-25T02:30:00","more":1}',
        '{"at":5}',
        '{"zone":"Europe/Berlin"}',
        "{}",
        "[]",
    ],
)
def test_stored_text_that_is_no_time_is_refused(content: str) -> None:
    for text in (f'{{"$datetime":{content}}}', f'{{"$time":{content.replace("2026-10-25T", "")}}}'):
        with pytest.raises(PayloadError, match="again"):
            decode(text)


def test_a_datetime_that_was_stored_in_a_zone_without_its_offset_is_refused() -> None:
    with pytest.raises(PayloadError, match="again"):
        decode('{"$datetime":{"at":"2026-10-25T02:30:00","zone":"Europe/Berlin"}}')


def test_a_zone_that_this_machine_does_not_know_is_no_other_time() -> None:
    with pytest.raises(PayloadError, match="Europe/Atlantis is not known on this machine: install"):
        decode('[{"$datetime": {"at": "2026-10-25T02:30:00+02:00", "zone": "Europe/Atlantis"}}]')


def test_rules_that_have_changed_since_are_told() -> None:
    with pytest.raises(PayloadError, match="update the tzdata package") as refusal:
        decode('[{"$datetime": {"at": "2026-07-01T02:30:00+01:00", "zone": "Europe/Berlin"}}]')
    assert refusal.value.path == "payload[0]"


def test_the_rules_of_zones_are_not_loaded_before_they_are_needed() -> None:
    loaded = "import sys; print('zoneinfo' in sys.modules)"
    assert said(f"import sprag.queue; {loaded}") == "False"
    assert "zoneinfo" in sys.modules
