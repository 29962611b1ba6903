"""Who sees which jobs: the tabs of one session all of its own, and of others' nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import Console
from tests.e2e.pages import expect_moves, job_id, line, moves, say, status, visit
from tests.e2e.server import Server


def call(page: Page, action: str, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """What an action answers to the page's own fetch."""
    status, body = page.evaluate(
        """async ([action, payload]) => {
            const request = {
                method: "POST",
                headers: { "Content-Type": "application/json" },
                body: JSON.stringify(payload),
            };
            const answer = await fetch(`/_sprag/actions/${action}`, request);
            return [answer.status, await answer.json()];
        }""",
        [action, payload],
    )
    return status, body


def test_two_tabs_of_one_session_show_the_same_while_it_happens(
    javascript: Server, page: Page, console: Console
) -> None:
    visit(page, javascript)
    with page.context.new_page() as other:
        console.watch(other)
        visit(other, javascript)
        javascript.hold("say")
        mine = say(page, "from the first")
        theirs = line(other, job_id(mine))
        expect(status(theirs)).to_have_text("running")
        theirs.get_by_role("button").click()
        for seen in (mine, theirs):
            expect(status(seen)).to_have_text("cancelled")
        javascript.let_go("say")
        expect(status(line(page, job_id(say(other, "from the second"))))).to_have_text("completed")
        for tab in (page, other):
            expect_moves(tab, javascript)


def test_two_sessions_never_see_each_others_jobs(
    javascript: Server, new_session: Callable[[], Page], console: Console
) -> None:
    console.expect("404")
    anna, ben = new_session(), new_session()
    visit(anna, javascript)
    visit(ben, javascript)
    javascript.hold("say")
    hers = say(anna, "a secret")
    expect(status(hers)).to_have_text("running")
    for action in ("status", "cancel"):
        code, body = call(ben, action, {"job_id": job_id(hers)})
        unknown = call(ben, action, {"job_id": "0" * 32})
        assert (code, body["error"]["type"]) == (404, "unknown_job")
        assert (code, body) == unknown
    javascript.let_go("say")
    expect(status(hers)).to_have_text("completed")
    # His own comes after hers in the journal: had he been told of hers, it were here by now.
    his = say(ben, "mine")
    expect(status(his)).to_have_text("completed")
    for visitor, job in ((anna, hers), (ben, his)):
        expect_moves(visitor, javascript, job_id(job))
        visit(visitor, javascript)
        expect(visitor.locator("#jobs li")).to_have_count(1)
        expect(visitor.locator("#jobs li")).to_have_attribute("id", job_id(job))


def test_a_closed_tab_finds_its_jobs_when_it_is_opened_again(
    javascript: Server, page: Page
) -> None:
    visit(page, javascript)
    javascript.hold("say")
    jobs = [job_id(say(page, text)) for text in ("one", "two")]
    context = page.context
    page.close()
    again = context.new_page()
    visit(again, javascript)
    for job in jobs:
        expect(status(line(again, job))).to_have_text("running")
    javascript.let_go("say")
    for job in jobs:
        expect(status(line(again, job))).to_have_text("completed")
    assert sorted(move.split()[2] for move in moves(again)) == ["complete", "complete"]


HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"&amp;{{7*7}}'


@pytest.mark.parametrize("button", ["Say", "Fail"])
def test_what_a_job_says_is_text_whatever_it_looks_like(
    javascript: Server, page: Page, button: str
) -> None:
    visit(page, javascript)
    javascript.hold("say")
    job = say(page, HOSTILE, button)
    expect(job.locator(".label")).to_have_text(HOSTILE)
    expect(job.locator(".message")).to_have_text(HOSTILE)
    expect(job.get_by_role("button")).to_have_attribute("title", HOSTILE)
    javascript.let_go("say")
    said = ".result" if button == "Say" else ".error"
    expect(job.locator(said)).to_have_text(HOSTILE)
    visit(page, javascript)
    for place in (".label", said):
        expect(page.locator("#jobs").locator(place)).to_have_text(HOSTILE)
    expect(page.locator("#newest")).to_have_text(HOSTILE)
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("main img, main script").count() == 0
