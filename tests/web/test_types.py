"""What editors and type checkers know of the public signatures.

mypy, which checks the tests, would find an ignore needless that no mistake stands behind.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sprag.web import App, Controller, StartupError, action
from tests.client import TestClient
from tests.web.conftest import MakeApp


class Page(Controller):
    """Checked, and never served."""

    @action
    def misspelt(self) -> dict[str, object]:
        return self.enqueue("work", 1, prioritty=4)  # type: ignore[call-arg]

    @action
    def delayed(self) -> dict[str, object]:
        return self.enqueue("work", 1, delay="5m", max_attempts=3, job_id=None)

    @action
    def wrong(self) -> dict[str, object]:
        return self.enqueue("work", 1, priority="high")  # type: ignore[arg-type]

    def load(self, name: str) -> dict[str, object]:
        return {"name": name}


def test_a_checker_sees_a_misspelt_argument_of_the_application() -> None:
    with pytest.raises(TypeError, match="route"):
        App(route="app.routes")  # type: ignore[call-arg]
    with pytest.raises(StartupError, match="App: providers"):
        App(routes="app.routes", providers={"work": 3})  # type: ignore[dict-item]


def test_a_checker_sees_what_a_shell_can_be(make_app: MakeApp, database: Path) -> None:
    like = make_app()
    app = App(
        routes=like._parts.routes,
        providers=like.queues,
        shell=3,  # type: ignore[arg-type]
        database=database,
    )
    with pytest.raises(StartupError, match="App: shell"):
        app.build()


def test_a_misspelt_option_of_enqueue_is_refused_with_the_right_one(make_app: MakeApp) -> None:
    page = """
        from sprag import Controller, action
        from sprag.queue import ConfigurationError

        class Home(Controller):
            route = "/"

            @action
            def misspelt(self):
                try:
                    self.enqueue("work", 1, prioritty=4)
                except ConfigurationError as error:
                    return str(error)
    """
    with TestClient(make_app(page)) as client:
        client.get("/")
        value = client.post("/_sprag/actions/misspelt", json={}).json()["value"]
    assert "did you mean 'priority'?" in value
