"""What every answer says and what none does; files that browsers keep."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from sprag.dashboard import dashboard
from sprag.dashboard.files import ASSETS
from sprag.queue import DatabaseError
from sprag.queue.operators import QueueFile
from sprag.queue.work.engine import Engine
from tests.dashboard.conftest import SAME_ORIGIN, TestClient

PATHS = ("/", "/jobs", "/data/overview", "/data/jobs", "/nonsense", f"/{ASSETS.css}")


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_binds_the_browser(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    kept = "immutable" if "assets" in path else "no-store"
    assert kept in headers["cache-control"]


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/" + "0" * 32])
def test_pages_have_no_inline_script_and_no_inline_style(client: TestClient, path: str) -> None:
    text = client.get(path).text
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []


def test_no_script_makes_html_of_text() -> None:
    for name, file in ASSETS._files.items():
        if name.endswith(".js"):
            words = re.findall(
                rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
                rb"|DOMParser|setHTML|srcdoc", file.content,
            )  # fmt: skip
            assert words == [], name


@pytest.mark.parametrize(
    ("path", "status"), [("/nonsense", 404), ("/jobs/x", 404), ("/jobs/", 404)]
)
def test_what_is_not_there_is_a_404(client: TestClient, path: str, status: int) -> None:
    assert client.get(path, follow_redirects=False).status_code in (status, 307)
    page = client.get("/nonsense", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "<h1>" in page.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("DELETE", "/data/jobs"), ("GET", "/cancel"), ("PUT", "/requeue"),
     ("GET", "/sign-out"), ("POST", "/events")],
)  # fmt: skip
def test_another_method_is_a_405(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path, headers=SAME_ORIGIN)
    assert answer.status_code == 405
    assert answer.headers["allow"]
    assert answer.json()["error"]["type"] == "method_not_allowed"


def broken(error: Exception) -> TestClient:
    def file() -> QueueFile:
        raise error

    app = dashboard(file, token=None, secret="")
    return TestClient(
        app, "http://localhost", client=("127.0.0.1", 9), raise_server_exceptions=False
    )


def test_an_internal_error_shows_nothing_internal() -> None:
    with broken(RuntimeError("the password is 1234")) as client:
        answer = client.get("/data/overview")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "internal"
    assert "1234" not in answer.text
    assert "Runtime" not in answer.text
    assert "content-security-policy" in answer.headers


def test_a_database_that_cannot_be_used_is_a_503_without_its_path() -> None:
    with broken(DatabaseError("/home/me/jobs.db is locked", "/home/me/jobs.db")) as client:
        answer = client.get("/data/jobs")
    assert answer.status_code == 503
    assert "/home" not in answer.text


def test_files_are_kept_for_good_and_sent_packed(client: TestClient) -> None:
    plain = client.get(f"/{ASSETS.url('jobs.js')}", headers={"Accept-Encoding": "identity"})
    packed = client.get(f"/{ASSETS.url('jobs.js')}", headers={"Accept-Encoding": "gzip, br"})
    assert plain.headers["content-type"].startswith("text/javascript")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content  # httpx unpacks it
    assert "max-age=31536000" in packed.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["assets/old/jobs.js", "assets/../app.py", "assets/x/..%2f..%2fapp.py"]
)
def test_no_other_file_is_sent(client: TestClient, path: str) -> None:
    assert client.get(f"/{path}").status_code == 404
    assert client.get(f"/assets/{ASSETS.version}/__init__.py").status_code == 404


def test_a_page_is_light() -> None:
    scripts = [f for name, f in ASSETS._files.items() if name.endswith((".js", ".css"))]
    assert sum(len(file.gzipped) for file in scripts) < 36_000
    assert all(gzip.decompress(file.gzipped) == file.content for file in scripts)


@pytest.mark.parametrize("root", ["", "/ops", "/a b/ü"])
def test_every_address_stays_under_the_mount_wherever_that_is(engine: Engine, root: str) -> None:
    inner = dashboard(lambda: QueueFile(engine), token=None, secret="")
    app: Any = Starlette(routes=[Mount(root or "/", inner)])
    with TestClient(app, "http://localhost", client=("127.0.0.1", 9), root_path="/proxied") as here:
        text = here.get(f"/proxied{root}/jobs").text
        found = re.findall(r'(?:href|src|action)="([^"]*)"', text)
        base = "/proxied" + root.replace(" ", "%20").replace("ü", "%C3%BC") + "/"
        assert [url for url in found if not url.startswith((base, "#"))] == []
        [script] = re.findall(r'<script type="module" src="([^"]*)"', text)
        assert here.get(script).status_code == 200
