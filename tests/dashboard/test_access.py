"""Who is let in. Every rule is attacked here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.routing import Mount

from sprag.dashboard import access, dashboard
from sprag.dashboard.access import SIGNED_IN_SECONDS
from sprag.dashboard.attempts import MOST, SECONDS, Attempts
from sprag.queue import ConfigurationError
from sprag.queue.operators import QueueFile
from sprag.queue.work.engine import Engine
from tests.dashboard.conftest import SAME_ORIGIN, SECRET, TOKEN, TestClient

DATA = "/data/overview"
PAGE = {"Accept": "text/html"}


def visitor(engine: Engine, token: str | None = TOKEN, **options: Any) -> TestClient:
    settings: dict[str, Any] = {
        "base_url": "https://jobs.example.com",
        "client": ("203.0.113.9", 9),
    }
    inner = dashboard(lambda: QueueFile(engine), token=token, secret=SECRET)
    app = Starlette(routes=[Mount("/ops", inner)])
    return TestClient(app, follow_redirects=False, **{**settings, **options})


@pytest.fixture
def outside(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Someone somewhere, before a dashboard that has a token."""
    monkeypatch.setattr(access, "WRONG_SECONDS", 0.0)
    with visitor(engine) as client:
        yield client


def sign_in(client: TestClient, token: str = TOKEN, **form: str) -> Any:
    return client.post("/ops/sign-in", data={"token": token, **form}, headers=SAME_ORIGIN)


# ------------------------------------------------------------ construction


@pytest.mark.parametrize("token", ["", "short", "x" * 15, 12345678901234567, b"x" * 20])
def test_a_token_that_can_be_guessed_is_refused_at_construction(engine: Engine, token: Any) -> None:
    with pytest.raises(ConfigurationError, match="16 characters or more"):
        dashboard(lambda: QueueFile(engine), token=token, secret=SECRET)


@pytest.mark.parametrize("secret", ["", "short", None])
def test_a_secret_that_can_be_guessed_is_refused_where_it_signs(
    engine: Engine, secret: Any
) -> None:
    with pytest.raises(ConfigurationError, match="secret"):
        dashboard(lambda: QueueFile(engine), token=TOKEN, secret=secret)


# ------------------------------------------------------------ with a token


@pytest.mark.parametrize(
    "path", ["", "jobs", "jobs/" + "0" * 32, "data/overview", "data/jobs", "events", "nonsense"]
)
def test_without_the_token_nothing_is_told(outside: TestClient, path: str) -> None:
    answer = outside.get(f"/ops/{path}")
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "signed_out"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["cancel", "requeue"])
def test_without_the_token_nothing_is_done(outside: TestClient, path: str) -> None:
    answer = outside.post(f"/ops/{path}", json={"ids": ["0" * 32]}, headers=SAME_ORIGIN)
    assert answer.status_code == 401


def test_a_person_signs_in_and_comes_to_the_page_that_was_asked_for(outside: TestClient) -> None:
    page = outside.get("/ops/jobs?state=failed&text=it%27s", headers=PAGE)
    assert page.status_code == 401
    [wanted] = re.findall(r'name="next" value="([^"]*)"', page.text)
    answer = sign_in(outside, next=wanted.replace("&amp;", "&"))
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ops/jobs?state=failed&text=it%27s"
    assert outside.get("/ops/data/overview").status_code == 200


def test_the_cookie_is_kept_from_scripts_other_sites_other_paths_and_plain_http(
    outside: TestClient,
) -> None:
    said = sign_in(outside).headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/ops/", "secure", f"max-age={12 * 3600}"):
        assert part in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    "page",
    ["//evil.example", "https://evil.example", "/evil", "\\\\evil", "javascript:alert(1)",
     "jobs/../../evil", "jobs\r\nSet-Cookie: a=b", "?x\n"],
)  # fmt: skip
def test_signing_in_never_leads_elsewhere(outside: TestClient, page: str) -> None:
    assert sign_in(outside, next=page).headers["location"] == "/ops/"


def test_a_wrong_token_is_a_403_after_a_delay_and_shows_the_form_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("anyio.sleep", wait)
    with visitor(engine) as client:
        answer = sign_in(client, "wrong", next="jobs?state=failed")
        assert answer.status_code == 403
        assert "not the token" in answer.text
        assert 'value="jobs?state=failed"' in answer.text
        assert "set-cookie" not in answer.headers
        assert client.get("/ops/jobs", headers={"Authorization": "Bearer no"}).status_code == 403
    assert waited == [access.WRONG_SECONDS] * 2
    assert access.WRONG_SECONDS > 0


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\ud83d"])
def test_only_the_token_is_the_token(outside: TestClient, token: str) -> None:
    form = f"token={token}".encode("utf-8", "surrogatepass")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = outside.post("/ops/sign-in", content=form, headers=SAME_ORIGIN | kind)
    assert answer.status_code == 403


def test_a_form_of_many_fields_is_refused(outside: TestClient) -> None:
    many = {f"field{n}": "x" for n in range(10)}
    answer = sign_in(outside, **many)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_payload")
    assert "set-cookie" not in answer.headers


def test_after_ten_wrong_tokens_more_are_not_looked_at_but_the_right_one_is(
    outside: TestClient,
) -> None:
    """A stranger behind the same proxy must not lock out an operator."""
    wrong = {"Authorization": "Bearer wrong"}
    for turn in range(2):
        for n in range(MOST):
            assert sign_in(outside, f"wrong {n}").status_code == (429 if turn else 403)
    answer = sign_in(outside, "wrong")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    answer = outside.get("/ops/data/jobs", headers=wrong)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert outside.get("/ops/data/jobs", headers=right).status_code == 200
    # Nor does that one give the stranger new tries.
    assert outside.get("/ops/data/jobs", headers=wrong).status_code == 429
    assert sign_in(outside).status_code == 303
    assert outside.get("/ops/data/jobs").status_code == 200


def test_wrong_tokens_are_forgiven_by_time_and_for_others() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)
    assert all(attempts.take("a") for _ in range(MOST))
    assert not attempts.take("a")
    assert attempts.take("b")
    now = SECONDS
    assert all(attempts.take("a") for _ in range(MOST))
    for n in range(2000):
        attempts.take(str(n))
    assert len(attempts._tries) == 1000


def test_a_script_sends_the_token_with_each_request(outside: TestClient) -> None:
    bearer = {"Authorization": f"bearer {TOKEN}"}
    for _ in range(2 * MOST):
        assert outside.get("/ops/data/jobs", headers=bearer).status_code == 200
    answer = outside.post("/ops/cancel", json={"ids": ["0" * 32]}, headers=bearer)
    assert answer.status_code == 200
    assert answer.json()["refused_count"] == 1


def test_a_forged_an_old_and_a_foreign_cookie_open_nothing(
    outside: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status(cookie: str) -> int:
        outside.cookies.clear()
        headers = {"Cookie": f"{name}={cookie}"}
        return int(outside.get("/ops" + DATA, headers=headers).status_code)

    sign_in(outside)
    [(name, good)] = outside.cookies.items()
    assert status(good) == 200
    body = good.partition(".")[0]
    forged = [
        "", "in", body, good[:-1], good + "x", good.replace(body, "Im91dCI"),
        URLSafeTimedSerializer(SECRET).dumps("in"), "a" * 5000, ".." * 9,
    ]  # fmt: skip
    assert {status(cookie) for cookie in forged} == {401}
    # Another token ends what the previous one began.
    with visitor(engine, "another token, long enough") as other:
        sign_in(other, "another token, long enough")
        [(own, _)] = other.cookies.items()
        assert own != name  # nor does it overwrite it, at another port of the host
        other.cookies.clear()
        cookie = {"Cookie": f"{own}={good}"}
        assert other.get("/ops" + DATA, headers=cookie).status_code == 401
    import time as clock  # noqa: PLC0415  # patched for itsdangerous alone

    later = clock.time() + SIGNED_IN_SECONDS + 2
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)
    assert status(good) == 401


@pytest.mark.parametrize(
    ("path", "location"),
    [("", "/ops/"), ("jobs", "/ops/jobs"), ("jobs/" + "0" * 32, "/ops/jobs/" + "0" * 32),
     ("//evil.example/", "/ops/evil.example/")],
)  # fmt: skip
def test_a_token_in_an_address_is_taken_out_of_it(
    outside: TestClient, path: str, location: str
) -> None:
    for token in (TOKEN, "wrong"):
        answer = outside.get(f"/ops/{path}?token={token}&state=failed", headers=PAGE)
        assert (answer.status_code, answer.headers["location"]) == (303, location)
        assert "set-cookie" not in answer.headers
    assert outside.get("/ops/jobs", headers=PAGE).headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "jobs.example.com"])
def test_a_redirect_does_not_name_the_host_of_the_request(outside: TestClient, host: str) -> None:
    headers = {"Host": host, "Authorization": f"Bearer {TOKEN}"}
    assert outside.get("/ops/jobs/", headers=headers).headers["location"] == "/ops/jobs"


def test_signing_out_takes_the_cookie_away(outside: TestClient) -> None:
    sign_in(outside)
    assert outside.get("/ops" + DATA).status_code == 200
    answer = outside.post("/ops/sign-out", headers=SAME_ORIGIN)
    assert answer.headers["location"] == "/ops/"
    assert outside.get("/ops" + DATA).status_code == 401


# ------------------------------------------------------------ without a token


def local(engine: Engine, **options: Any) -> TestClient:
    settings = {"base_url": "http://localhost", "client": ("127.0.0.1", 9)}
    return visitor(engine, None, **{**settings, **options})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
def test_without_a_token_this_machine_is_answered(engine: Engine, address: str, host: str) -> None:
    with local(engine, client=(address, 9)) as client:
        assert client.get("/ops" + DATA, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "address",
    ["203.0.113.9", "192.168.1.2", "10.0.0.1", "0.0.0.0", "::", "::ffff:10.0.0.1", "fe80::1",
     "localhost", "", "128.0.0.1"],
)  # fmt: skip
def test_without_a_token_no_other_machine_is_answered(engine: Engine, address: str) -> None:
    with local(engine, client=(address, 9)) as client:
        for path in ("", "data/jobs", "events", "assets/x/y"):
            answer = client.get(f"/ops/{path}")
            assert answer.status_code == 403
            told = answer.json()["error"]["message"]
            assert "dashboard_token=" in told
            assert "SPRAG_DASHBOARD_TOKEN" in told


def test_without_a_token_a_unix_socket_is_not_answered(engine: Engine) -> None:
    async def nameless(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": None}, receive, send)

    app = dashboard(lambda: QueueFile(engine), token=None, secret="")
    with TestClient(nameless, "http://localhost") as client:
        assert client.get(DATA).status_code == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "localhost.", "", "::1",
     "evil.example:80", "0.0.0.0", "127.0.0.2", "[::1].evil.example", "localhost:80:80"],
)  # fmt: skip
def test_a_name_that_was_bound_to_this_machine_is_not_answered(engine: Engine, host: str) -> None:
    with local(engine) as client:
        assert client.get("/ops" + DATA, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"]
)
def test_what_a_proxy_on_this_machine_passes_on_is_not_answered(
    engine: Engine, header: str
) -> None:
    with local(engine) as client:
        for value in ("127.0.0.1", ""):
            assert client.get("/ops" + DATA, headers={header: value}).status_code == 403


def test_http_1_0_as_proxies_speak_it_is_not_answered(engine: Engine) -> None:
    async def old(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "http_version": "1.0"}, receive, send)

    app = dashboard(lambda: QueueFile(engine), token=None, secret="")
    with TestClient(old, "http://localhost", client=("127.0.0.1", 9)) as client:
        assert client.get(DATA).status_code == 403


# ------------------------------------------------------------ other sites


CROSS: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:9999"},
    {"Origin": "null"},
    {"Origin": ""},
    {},
]


@pytest.mark.parametrize("headers", CROSS)
@pytest.mark.parametrize("path", ["cancel", "requeue", "sign-in", "sign-out"])
def test_a_post_from_elsewhere_is_refused(
    client: TestClient, headers: dict[str, str], path: str
) -> None:
    answer = client.post(f"/{path}", json={"ids": ["0" * 32]}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "cross_site"


@pytest.mark.parametrize("headers", [SAME_ORIGIN, {"Origin": "http://localhost"}])
def test_a_post_of_the_page_itself_is_taken(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/cancel", json={"ids": ["0" * 32]}, headers=headers)
    assert answer.status_code == 200


def test_another_site_may_link_here_but_not_read(client: TestClient) -> None:
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/jobs", headers={**cross, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    for path in ("/data/jobs", "/events", "/"):
        assert client.get(path, headers={**cross, "Sec-Fetch-Mode": "no-cors"}).status_code == 403


def test_a_link_from_another_site_finds_out_whether_one_is_signed_in(outside: TestClient) -> None:
    def scripts(site: str) -> list[str]:
        headers = {**PAGE, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
        return re.findall(r"<script[^>]*>", outside.get("/ops/jobs", headers=headers).text)

    assert scripts("none") == []
    [script] = scripts("cross-site")
    assert "arrive.js" in script
