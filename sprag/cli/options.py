"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from ..queue import STATUSES, Status
from ..queue.operators import parsed
from .settings import DEFAULT_DATABASE, Settings

F = TypeVar("F", bound=Callable[..., Any])

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_REFERENCE: Final = re.compile(r"[0-9a-f]{4,32}", re.ASCII)
# 20300101 is a date, not a moment of August 1970.
_FIRST_TIME: Final = 100_000_000


def span(text: str) -> float:
    """Return a duration in seconds: 90s, 15m, 12h, 7d, 2w, 1h30m, or a number of seconds."""
    seconds = parsed(text)
    if seconds is not None:
        return seconds
    raise click.BadParameter(
        f"expected a duration such as 90s, 15m, 12h, 7d or 1h30m, got {text!r}"
    )


def moment(text: str) -> float:
    """Return a time in Unix seconds: ISO 8601, local unless it has a zone, or a number."""
    given = text.strip()
    if _NUMBER.fullmatch(given) and float(given) >= _FIRST_TIME:
        return float(given)
    try:
        return datetime.fromisoformat(given).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise click.BadParameter(
            f"expected a time such as 2030-12-31T23:59, or Unix seconds, got {text!r}"
        ) from error


def job(text: str) -> str:
    """Return a job's id, or its first digits."""
    given = text.strip().lower()
    if _REFERENCE.fullmatch(given):
        return given
    raise click.BadParameter(
        f"expected a job's id (32 hexadecimal digits) or at least its first 4 digits, got {text!r}"
    )


def json_form(command: F) -> F:
    """--json, before or after the command's name."""

    def keep(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(Settings).as_json = True

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=keep,
        help="Print results and errors as JSON.",
    )(command)


def shared(*, top: bool = False) -> Callable[[F], F]:
    """--database and --json, before or after the command's name."""

    def keep_database(
        context: click.Context, _parameter: click.Parameter, value: str | None
    ) -> None:
        if value == "":
            raise click.BadParameter("expected a path, got an empty string")
        if value is not None:
            context.ensure_object(Settings).database = value

    def decorate(command: F) -> F:
        database = click.option(
            "--database",
            "-d",
            metavar="FILE",
            # Asked for once, at the top, or it would overrule `sprag -d FILE command`.
            envvar="SPRAG_DATABASE" if top else None,
            expose_value=False,
            is_eager=True,
            callback=keep_database,
            help=f"The database file. [default: $SPRAG_DATABASE or {DEFAULT_DATABASE}]",
        )
        return database(json_form(command))

    return decorate


def queues(command: F) -> F:
    """--queue, repeatable."""
    return click.option(
        "--queue",
        "-q",
        "queues",
        multiple=True,
        metavar="NAME",
        help="Only this queue. Repeatable.",
    )(command)


def tasks(command: F) -> F:
    """--task, repeatable."""
    return click.option(
        "--task",
        "-t",
        "tasks",
        multiple=True,
        metavar="NAME",
        help="Only jobs of this task. Repeatable.",
    )(command)


def statuses(*allowed: Status, default: str = "all") -> Callable[[F], F]:
    """--status, repeatable."""
    choice = click.Choice(allowed or STATUSES)
    return click.option(
        "--status",
        "-s",
        "statuses",
        multiple=True,
        type=choice,
        help=f"Only this state. Repeatable. [default: {default}]",
    )


def yes(command: F) -> F:
    """--yes"""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")(command)


settings: Final = click.make_pass_decorator(Settings, ensure=True)
