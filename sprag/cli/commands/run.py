"""`sprag run`."""

from __future__ import annotations

import click

from .. import options
from ..exits import NO_EXTRA, Refusal
from ..logs import LEVELS, log_to_stderr
from ..settings import Settings

# What the extra `web` installs. If another module is missing, that is no reason to install it.
_EXTRA = ("brython", "itsdangerous", "jinja2", "multipart", "pydantic", "python_multipart",
          "sse_starlette", "starlette", "uvicorn", "websockets")  # fmt: skip


@click.command("run", short_help="Serve an application, its pages and its queues.")
@click.argument("path", metavar="MODULE:APP")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="The address to listen on. 0.0.0.0 means all addresses.")  # fmt: skip
@click.option("--port", "-p", type=click.IntRange(0, 65535), default=8000, show_default=True,
              help="The port. 0 chooses a free one.")  # fmt: skip
@click.option("--workers", "-w", type=click.IntRange(1, 100), default=1, show_default=True,
              metavar="N", help="How many processes to start.")  # fmt: skip
@click.option("--reload", is_flag=True, help="For development: restart when a file changes.")
@click.option("--proxy-headers", is_flag=True,
              help="Trust X-Forwarded-For and -Proto from the proxies in FORWARDED_ALLOW_IPS, "
              "by default those on this machine.")  # fmt: skip
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

    The working directory is searched for modules first. If a module defines
    only one application, its name is enough. The application names its
    database; --database and SPRAG_DATABASE must agree with it.

    SIGTERM and Ctrl-C stop in order, with exit code 0: open pages are
    disconnected, and running jobs have their grace. A second Ctrl-C ends the
    process at once; its jobs are recovered later. With --workers, a process
    that dies is replaced, and SIGHUP replaces all. The log goes to standard
    error.

    JSON: the log, one object per line: {"at", "level", "logger", "message",
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
        raise click.UsageError("expected --reload or --workers, but not both")
    log_to_stderr(log_level, as_json=settings.as_json)
    plan = serve.Plan(path, host, port, log_level, settings.as_json, proxy_headers, access_log)
    serve.check(plan, settings.database)
    if reload:
        serve.reloading(plan)
    elif workers > 1:
        serve.several(plan, workers)
    else:
        serve.single(plan)
