"""What a handler raises to end its attempt: what it says, and when the next one is due."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from sprag.queue import ConfigurationError, Fail, Retry
from tests.support import named

KINDS: list[Callable[..., Exception]] = [Retry, Fail]


def raised(make: Callable[[], Exception], how: str) -> Exception:
    """What comes out of a handler that raises it while it handles an error."""
    try:
        try:
            raise ConnectionError("refused")
        except ConnectionError as error:
            if how == "from":
                raise make() from error
            if how == "from None":
                raise make() from None
            raise make()  # noqa: B904  # as people write it
    except (Retry, Fail) as verdict:
        return verdict


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["from", "within"])
def test_without_a_message_it_says_what_caused_it(kind: type[Exception], how: str) -> None:
    assert str(raised(kind, how)) == "ConnectionError: refused"


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_message_comes_first(kind: Callable[[str], Exception]) -> None:
    assert str(raised(lambda: kind("told"), "from")) == "told"


@pytest.mark.parametrize(
    ("kind", "words"), [(Retry, "asked for another attempt"), (Fail, "the handler gave up")]
)
def test_without_message_and_cause_it_says_what_it_is(kind: type[Exception], words: str) -> None:
    assert words in str(kind())
    assert words in str(raised(kind, "from None"))


def test_a_cause_without_text_is_named_once() -> None:
    with pytest.raises(Retry, match=r"^TimeoutError$"):
        raise Retry from TimeoutError()


def test_it_says_when_the_next_attempt_is_due() -> None:
    at = datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert Retry().due_at(100.0) is None
    assert Retry(after="1m").due_at(100.0) == 160.0
    assert Retry(after=timedelta(seconds=2)).due_at(100.0) == 102.0
    assert Retry(at=at).due_at(100.0) == at.timestamp()
    assert Retry(at=50).due_at(100.0) == 50.0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"after": 1, "at": 2}, "Retry: expected after= or at=, got both"),
        ({"after": -1}, "Retry.after: expected"),
        ({"after": "soon"}, "Retry.after: expected"),
        ({"after": float("nan")}, "Retry.after: expected"),
        ({"at": datetime(2030, 1, 1)}, "Retry.at: expected a datetime with a time zone"),  # noqa: DTZ001
        ({"at": "tomorrow"}, "Retry.at: expected unix seconds"),
        ({"at": True}, "Retry.at: expected unix seconds"),
        ({"counted": "no"}, "Retry.counted: expected True or False, got 'no'"),
    ],
    ids=named,
)
def test_a_bad_argument_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        Retry(**given)
    assert words in str(told.value)


def test_it_can_be_sent_to_another_process() -> None:
    word = pickle.loads(pickle.dumps(Retry("told", after=5, counted=False)))
    assert (str(word), word.after, word.counted) == ("told", 5.0, False)
