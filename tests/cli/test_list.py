from __future__ import annotations

import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli import terminal
from tests.cli.conftest import Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import sql

FIELDS = {
    "id", "queue", "task", "label", "status", "item", "result", "error", "progress", "attempt",
    "max_attempts", "crashes", "priority", "cancel_requested", "created_at", "due_at",
    "started_at", "finished_at", "lost", "starts", "unique", "unique_for", "unique_until",
    "time_limit", "overdue",
}  # fmt: skip


def test_jobs_are_listed_newest_first_with_what_they_say(sprag: Sprag, ended: Ended) -> None:
    answer = sprag("list")
    assert answer.code == 0
    head, *lines = answer.out.splitlines()
    assert head.split() == ["JOB", "STATUS", "QUEUE", "WHEN", "TOOK", "ATTEMPT", "WHAT", "MESSAGE"]
    assert [line.split()[0] for line in lines] == [
        ended.delayed.id, ended.queued.id, ended.failed.id, ended.completed.id, ended.cancelled.id,
    ]  # fmt: skip
    assert [line.split()[1] for line in lines] == [
        "queued", "queued", "failed", "completed", "cancelled",
    ]  # fmt: skip
    assert "due in 59m" in lines[0]
    assert "ValueError: evil" in lines[2]
    assert "Übung 1" in lines[3]
    assert not [line for line in lines if line != line.rstrip()]


def test_nothing_that_a_job_says_steers_the_terminal(sprag: Sprag, ended: Ended) -> None:
    for answer in (sprag("list"), sprag("show", ended.failed.id), sprag("show", ended.queued.id)):
        assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]*", answer.out)
        assert "[bold red]x[/] :smile:" in answer.out
        assert "evil" in answer.out


def test_a_filter_takes_queues_and_states(
    sprag: Sprag, ended: Ended, make_queue: MakeQueue
) -> None:
    other = make_queue(name="other")
    job = other.enqueue(1)
    other.stop()

    def ids(*arguments: str) -> list[str]:
        return [job["id"] for job in sprag("list", "--json", *arguments).document["jobs"]]

    assert ids("-q", "other") == [job.id]
    assert ids("-q", "other", "-q", "images", "-n", "1") == [job.id]
    assert ids("-q", "images", "-s", "failed", "-s", "cancelled") == [
        ended.failed.id,
        ended.cancelled.id,
    ]
    assert ids("-s", "running") == []
    assert ids("-q", "unheard of") == []
    assert sprag("list", "-s", "lost").code == 2


def test_a_page_leads_to_the_next_in_json_and_in_words(sprag: Sprag, ended: Ended) -> None:
    first = sprag("list", "--json", "-n", "3").document
    second = sprag("list", "--json", "-n", "3", "--after", first["next"]).document
    assert [len(first["jobs"]), len(second["jobs"]), second["next"]] == [3, 2, None]
    hint = sprag("list", "-n", "3", "--queue=images").err.splitlines()[0]
    assert hint.startswith("more: sprag list ")
    assert ended.completed.id in sprag(*hint.split()[2:]).out
    assert sprag("list", "--after", "page 2").code == 2


def test_the_json_of_a_job_has_these_fields_and_unix_times(sprag: Sprag, ended: Ended) -> None:
    jobs = {job["id"]: job for job in sprag("list", "--json").document["jobs"]}
    assert all(set(job) == FIELDS for job in jobs.values())
    failed = jobs[ended.failed.id]
    assert failed["item"] == {"fail": True, "n": 3}
    assert failed["attempt"] == 2
    assert failed["error"]["type"] == "ValueError"
    assert "Traceback" in failed["error"]["traceback"]
    assert failed["created_at"] == ended.failed.created_at
    assert failed["progress"]["percent"] == 50
    assert jobs[ended.cancelled.id]["cancel_requested"]
    assert jobs[ended.completed.id]["result"].keys() == {"said"}


def test_an_empty_answer_names_the_queues_there_are(sprag: Sprag, ended: Ended) -> None:
    answer = sprag("list", "-q", "image")
    assert (answer.code, answer.out) == (0, "")
    assert "images" in answer.err


def test_items_of_dataclasses_that_are_not_imported_are_listed_and_shown(
    sprag: Sprag, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("only_the_worker_has_it")

    @dataclass
    class Size:
        width: int

    Size.__module__, Size.__qualname__ = module.__name__, "Size"
    module.Size = Size  # type: ignore[attr-defined]  # made up here
    monkeypatch.setitem(sys.modules, module.__name__, module)
    queue = make_queue(name="sizes")
    job = queue.enqueue({"size": Size(800), "pair": (1, 2)})
    queue.stop()
    monkeypatch.delitem(sys.modules, module.__name__)
    stored = {"$dataclass": "only_the_worker_has_it:Size", "fields": {"width": 800}}
    shown = sprag("show", job.id, "--json").document["job"]
    assert shown["item"] == {"size": stored, "pair": {"$tuple": [1, 2]}}
    assert "only_the_worker_has_it:Size" in sprag("show", job.id).out
    assert "only_the_worker_has_it:Size" in sprag("list").out


def test_rows_of_other_programs_are_listed_however_odd(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    sql(database, "INSERT INTO job (queue, item) VALUES ('q' || char(27), ?)", ("9" * 5000,))
    sql(database, "INSERT INTO job (queue, item, label) VALUES ('q', '{}', char(27, 91, 72))")
    deep = "[" * 900 + "]" * 900
    sql(database, "INSERT INTO job (queue, item, created_at) VALUES ('q', ?, 1e300)", (deep,))
    sql(
        database,
        "UPDATE job SET status = 'running', event = 'start', attempt = 1, starts = 1, owner = 77, "
        "started_at = 9e999 WHERE queue = 'q' AND label IS NOT NULL",
    )
    sql(
        database,
        "INSERT INTO progress SELECT key, 1, 'x', 'y', 'z', char(27), 1, 1 FROM job "
        "WHERE label = char(27, 91, 72)",
    )
    answer = sprag("list")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    jobs = sprag("list", "--json").document["jobs"]
    assert len(jobs) == 8
    for job in jobs:
        assert sprag("show", job["id"]).code == 0


def test_text_that_is_no_utf_8_is_reported_as_damage(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    sql(database, "INSERT INTO job (queue, item) VALUES ('q', CAST(x'22ff22' AS TEXT))")
    answer = sprag("list")
    assert answer.code == 3
    assert "not valid UTF-8" in answer.err


@pytest.mark.parametrize("columns", [20, 40, 80, 140])
def test_no_line_is_wider_than_the_terminal(ended: Ended, database: Path, columns: int) -> None:
    with terminal.screen("list", "-d", database, columns=columns, NO_COLOR="1") as shown:
        code, output = shown.end()
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    assert max(map(len, plain.splitlines())) <= columns
    assert (ended.failed.id[:13] in plain) == (columns >= 40)


def test_colours_are_for_terminals_and_go_with_no_color(ended: Ended, database: Path) -> None:
    def colours(output: str) -> bool:
        return re.search(r"\x1b\[[0-9;]*3[0-9]", output) is not None

    with terminal.screen("list", "-d", database) as shown:
        assert colours(shown.end()[1])
    with terminal.screen("list", "-d", database, NO_COLOR="1") as shown:
        assert not colours(shown.end()[1])
    assert "\x1b" not in terminal.run("list", "-d", database).stdout


def test_jobs_that_nobody_runs_are_pointed_at(sprag: Sprag, make_queue: MakeQueue) -> None:
    queue, other = make_queue(name="mail"), make_queue(name="other")
    queue.enqueue_many(range(3))
    other.cancel(other.enqueue(1).id)
    answer = sprag("list")
    assert answer.code == 0
    assert "mail: 3 jobs wait and no process runs this queue; see `sprag work --help`" in answer.err
    assert "other" not in answer.err
    assert sprag("list", "--json").err == ""
    assert "no process" not in sprag("list", "--queue=other").err
