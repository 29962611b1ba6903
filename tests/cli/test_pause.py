from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.conftest import HOSTILE, Ended, Sprag
from tests.conftest import MakeQueue
from tests.support import sql

REASON = "the mail server moves"


def test_a_queue_is_paused_and_resumed_from_the_terminal(
    sprag: Sprag, make_queue: MakeQueue
) -> None:
    queue = make_queue(name="mail")
    queue.enqueue(1)
    assert sprag("pause", "mail", "--reason", REASON).out == "mail is paused\n"
    paused = queue.paused
    assert paused is not None
    assert paused.reason == REASON
    assert sprag("resume", "mail").out == "mail starts jobs again\n"
    assert queue.paused is None
    assert sprag("resume", "mail").out == "mail was not paused\n"


def test_the_json_of_a_pause_has_its_reason_and_its_time(
    sprag: Sprag, make_queue: MakeQueue
) -> None:
    make_queue(name="mail").counts()
    before = time.time()
    said = sprag("pause", "mail", "--reason", REASON, "--json").document
    assert said["queue"] == "mail"
    assert said["paused"]["reason"] == REASON
    assert before <= said["paused"]["since"] <= time.time()
    assert sprag("pause", "mail", "--json").document["paused"] == {**said["paused"], "reason": None}
    assert sprag("resume", "mail", "--json").document == {"queue": "mail", "resumed": True}
    assert sprag("resume", "mail", "--json").document == {"queue": "mail", "resumed": False}


@pytest.mark.parametrize(
    "wrong", [("no queue name",), ("sprag",), ("mail", "--reason", "two\nlines"), ()]
)
def test_a_wrong_name_or_reason_is_refused(
    sprag: Sprag, make_queue: MakeQueue, database: Path, wrong: tuple[str, ...]
) -> None:
    make_queue().counts()
    assert sprag("pause", *wrong).code == 2
    assert sql(database, "SELECT * FROM pause") == []


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_file_that_is_missing_is_not_made(sprag: Sprag, database: Path, command: str) -> None:
    assert sprag(command, "mail").code == 3
    assert not database.exists()


def test_whoever_asks_why_nothing_runs_is_told_of_the_pause(sprag: Sprag, ended: Ended) -> None:
    asked = ("list", "counts", "check", ("show", ended.queued.id))
    sprag("pause", "images", "--reason", REASON)
    for command in asked:
        answer = sprag(*([command] if isinstance(command, str) else command))
        assert answer.code == 0
        assert f"paused 0s ago: {REASON}" in answer.out + answer.err, command
        assert "no process runs this queue" not in answer.out + answer.err, command
    said = sprag("check", "--json").document
    assert said["paused"]["images"]["reason"] == REASON
    assert said["unattended"] == {}
    assert sprag("counts", "--json").document["queues"]["images"]["paused"]["reason"] == REASON
    sprag("resume", "images")
    assert sprag("counts", "--json").document["queues"]["images"]["paused"] is None
    said = sprag("check", "--json").document
    assert (said["paused"], said["unattended"]) == ({}, {"images": 2})


def test_a_list_of_jobs_that_have_ended_says_nothing_of_a_pause(sprag: Sprag, ended: Ended) -> None:
    sprag("pause", "images")
    answer = sprag("list", "--status", "completed")
    assert "paused" not in answer.out + answer.err


def test_a_paused_queue_without_jobs_is_counted(sprag: Sprag, make_queue: MakeQueue) -> None:
    make_queue().counts()
    sprag("pause", "later")
    assert sprag("counts", "--json").document["queues"]["later"]["paused"]["reason"] is None


def test_what_another_program_wrote_does_not_reach_the_terminal(
    sprag: Sprag, ended: Ended, database: Path
) -> None:
    sql(database, "INSERT INTO pause VALUES ('images', ?, 7)", (HOSTILE,))
    for command in ("list", "counts", "check"):
        answer = sprag(command)
        assert "\x1b" not in answer.out + answer.err
        assert "\u202e" not in answer.out + answer.err
