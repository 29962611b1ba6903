"""The commands by theme, and how each error ends the program."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from .. import __version__
from ..queue import QueueError
from ..queue.operators import SQLITE
from . import options
from .commands import (
    backup,
    check,
    counts,
    enqueue,
    jobs,
    moves,
    pause,
    prune,
    recover,
    run,
    schedules,
    show,
    watch,
    work,
)
from .exits import CLOSED_PIPE, INTERRUPTED, MEANINGS, OK, USAGE, Refusal, refusal_of
from .text import lines

_THEMES: Final[dict[str, tuple[click.Command, ...]]] = {
    "Inspect": (jobs.command, show.command, watch.command, counts.command),
    "Change jobs": (enqueue.command, moves.cancel, moves.requeue, moves.run_now),
    "Run jobs": (
        work.command,
        run.command,
        recover.command,
        pause.pause,
        pause.resume,
        schedules.command,
    ),
    "Maintain the file": (check.command, backup.command, prune.command),
}


def run_program(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code. Errors go to stderr."""
    _harden_streams()
    as_json = "--json" in arguments
    try:
        code = program.main(list(arguments), "sprag", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.UsageError as error:
        return _complain(_usage(error), as_json=as_json)
    except click.ClickException as error:
        return _complain(Refusal(error.format_message()), as_json=as_json)
    except Refusal as error:
        return _complain(error, as_json=as_json)
    except QueueError as error:
        return _complain(refusal_of(error), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return CLOSED_PIPE
    except OSError as error:
        with suppress(OSError):
            sys.stdout.flush()
        _discard_output()  # in case it was the output that could not be written
        return _complain(Refusal(str(error), kind="system"), as_json=as_json)
    return code if isinstance(code, int) else OK


class _Program(click.Group):
    """A group whose help lists the commands by theme."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        for theme, commands in _THEMES.items():
            with formatter.section(theme):
                formatter.write_dl(
                    [(command.name or "", command.get_short_help_str(90)) for command in commands]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in MEANINGS.items()])
        with formatter.section("Environment"):
            formatter.write_dl(
                [
                    ("SPRAG_DATABASE", "the database file, unless --database names one"),
                    ("NO_COLOR", "if set, print without colours"),
                ]
            )

    # click would exit with 1, which is reserved for jobs and checks that failed.

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*args, **more)
        except BrokenPipeError as error:  # of --help and --version
            raise _Unread from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _Unread from error


class _Unread(Refusal):
    """The reader of the output is gone."""

    def __init__(self) -> None:
        super().__init__("", code=CLOSED_PIPE)


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"sprag {__version__} (SQLite {SQLITE}, Python {platform.python_version()})")
        ctx.exit()


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@options.shared(top=True)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def program() -> None:
    """Operate the queues of a sprag database.

    To name a job, give its id or enough of its first digits. Times are local;
    with --json they are Unix seconds. Commands that only read never create a
    file.

    With --json, an error is one object on standard error: {"error": {"kind":
    a word, "message": a sentence, "exit_code": n, …}}.
    """


for _commands in _THEMES.values():
    for _command in _commands:
        program.add_command(_command)


def _usage(error: click.UsageError) -> Refusal:
    message = error.format_message()
    if error.ctx is not None:
        message += f"\nTry '{error.ctx.command_path} --help'."
    return Refusal(message, kind="usage", code=USAGE)


def _complain(refusal: Refusal, *, as_json: bool) -> int:
    if isinstance(refusal, _Unread):
        _discard_output()
    elif as_json:
        error = {"kind": refusal.kind, "message": str(refusal), "exit_code": refusal.code}
        error.update((name, value) for name, value in refusal.facts.items() if name not in error)
        print(json.dumps({"error": error}, default=str), file=sys.stderr)
    else:
        print(f"sprag: {lines(str(refusal))}", file=sys.stderr)
    return refusal.code


def _harden_streams() -> None:
    """Make sure that the streams exist and can print every character."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - until the end
    for size in ("COLUMNS", "LINES"):
        given = os.environ.get(size, "0")
        if not (given.isascii() and given.isdigit()):
            del os.environ[size]  # rich would fail on digits such as ²
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the program that started us
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
            setattr(sys, name, stream)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Drop the buffered output, so that Python does not try to write it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
