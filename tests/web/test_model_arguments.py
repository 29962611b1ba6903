"""Models of pydantic as arguments of tasks: stored as JSON, and made again by the annotation."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pydantic
import pytest
from hypothesis import given, settings

from sprag.queue import PayloadError, QueueService, task
from tests.queue.test_arguments import LIMIT, again, item, takes
from tests.support import examples, finished, named


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Model(pydantic.BaseModel):
    at: datetime
    name: str = pydantic.Field(alias="Name")
    color: Color = Color.RED
    inner: Model | None = None


class Special(Model):
    more: int = 0


class Hidden(pydantic.BaseModel):
    x: int
    secret: int = pydantic.Field(default=0, exclude=True)


AT = datetime(2026, 1, 31, 10, tzinfo=UTC)
TIMES = st.datetimes(timezones=st.just(UTC))
PLAIN = st.builds(
    lambda at, name, color: Model(at=at, Name=name, color=color), TIMES, st.text(),
    st.sampled_from(Color),
)  # fmt: skip
MODELS = st.recursive(
    PLAIN,
    lambda inner: st.builds(lambda at, model: Model(at=at, Name="", inner=model), TIMES, inner),
    max_leaves=3,
)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    Model: MODELS,
    Model | None: st.none() | MODELS,
    list[Model]: st.lists(MODELS, max_size=2),
    dict[str, Model | int]: st.dictionaries(st.text(), MODELS | st.integers(), max_size=2),
}


@pytest.mark.parametrize("annotation", VALUES, ids=named)
def test_a_model_comes_back_as_it_went_in(annotation: Any) -> None:
    arguments = takes(annotation)

    @settings(max_examples=examples(100))
    @given(VALUES[annotation])
    def try_one(value: Any) -> None:
        assert again(arguments, value) == ([], {"value": value})

    try_one()


def test_what_is_stored_is_the_json_of_the_model() -> None:
    assert item(takes(Model), Model(at=AT, Name="n")) == {
        "value": {"at": "2026-01-31T10:00:00Z", "Name": "n", "color": "red", "inner": None}
    }
    given_as = {"at": "2026-01-31T10:00:00Z", "Name": "n"}
    assert again(takes(Model), given_as)[1] == {"value": Model(at=AT, Name="n")}


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Model, {"at": 1}, "argument value is not a valid Model: "),
        (Model, Special(at=AT, Name="n", more=1), "argument value is .*and would come back as"),
        (Hidden, Hidden(x=1, secret=2), "argument value is .*and would come back as"),
        (Any, Hidden(x=1), "argument value is of type .*Hidden, which cannot be stored"),
        (int, Hidden(x=1), "argument value is of type .*Hidden, which cannot be stored"),
    ],
    ids=named,
)
def test_a_model_that_is_not_stored_completely_is_refused(
    annotation: Any, value: Any, problem: str
) -> None:
    arguments = takes(annotation)
    with pytest.raises(PayloadError, match=problem):
        arguments.encoded(arguments.bound((value,), {}), LIMIT)


class Shop(QueueService):
    name = "shop"

    @task
    def paint(self, model: Model) -> Model:
        return model.model_copy(update={"color": Color.BLUE})


def test_a_task_takes_a_model_and_returns_one(database: Path) -> None:
    with Shop(database=database) as shop:
        (job,) = finished(shop, shop.paint.enqueue(Model(at=AT, Name="n")))
        assert job.result["color"] == "blue"
        assert shop.paint.result(job) == Model(at=AT, Name="n", color=Color.BLUE)
