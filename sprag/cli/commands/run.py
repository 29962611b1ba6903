"""`sprag run`."""

from __future__ import annotations

import click

from .. import options
from ..exits import NO_EXTRA, Refusal
from ..logs import LEVELS, log_to_stderr
from ..settings import Settings

# What the extra `web` brings; whatever else is missing is no reason to install it.
_EXTRA = ("brython", "itsdangerous", "jinja2", "multipart", "pydantic", "python_multipart",
          "sse_starlette", "starlette", "uvicorn", "websockets")  # fmt: skip


@click.command("run", short_help="Serve an application, its pages and its queues.")
@click.argument("path", metavar="MODULE:APP")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="The address to listen on; 0.0.0.0 is all of this machine's.")  # fmt: skip
@click.option("--port", "-p", type=click.IntRange(0, 65535), default=8000, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option("--workers", "-w", type=click.IntRange(1, 100), default=1, show_default=True,
              metavar="N", help="How many processes serve.")  # fmt: skip
@click.option("--reload", is_flag=True, help="For development: restart when a file changes.")
@click.option("--proxy-headers", is_flag=True,
              help="Believe X-Forwarded-For and -Proto of the proxies that FORWARDED_ALLOW_IPS "
              "names, by default those on this machine.")  # fmt: skip
@click.option("--access-log", is_flag=True, help="Log each request.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@options.json_form
@options.settings
def command(
    settings: Settings, path: str, host: str, port: int, workers: int, reload: bool,
    proxy_headers: bool, access_log: bool, log_level: str,
) -> None:  # fmt: skip
    """Serve the sprag.App at this import path, as in

        sprag run main:app

    Modules are looked for in the working directory first; a module alone will
    do where it defines one application. The application names its database:
    --database and SPRAG_DATABASE may only agree with it.

    SIGTERM or Ctrl-C stop in order: open pages are told, running jobs have
    their grace; exit code 0. A second Ctrl-C ends the process at once, and what
    ran is recovered later. With --workers, a process that dies is replaced, and
    SIGHUP replaces all. The log goes to standard error.

    JSON: the log, an object a line: {"at", "level", "logger", "message",
    "traceback"}.
    """
    try:
        # Here, so that the other commands need no web extra, and load none of it.
        from .. import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        raise Refusal(
            f"`sprag run` needs {error.name}, which is not installed: "
            "pip install 'sprag-queue[cli,web]'",
            kind="extra_missing",
            code=NO_EXTRA,
        ) from error
    if reload and workers > 1:
        raise click.UsageError("expected --reload or --workers, got both")
    log_to_stderr(log_level, as_json=settings.as_json)
    plan = serve.Plan(path, host, port, log_level, settings.as_json, proxy_headers, access_log)
    serve.check(plan, settings.database)
    if reload:
        serve.reloading(plan)
    elif workers > 1:
        serve.several(plan, workers)
    else:
        serve.single(plan)
