"""`sprag backup`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .. import options
from ..exits import Refusal
from ..settings import Settings
from ..text import lines, size


@click.command("backup", short_help="Copy the database while it is in use.")
@click.argument("target", type=click.Path(dir_okay=False))
@options.shared()
@options.settings
def command(settings: Settings, target: str) -> None:
    """Copy the database to the new file TARGET while it is in use.

    The copy is a snapshot. Jobs that are running now are queued in it. Never
    copy the file by other means while it is in use: the copy would lack what is
    in the write-ahead log.

    JSON: {"path": absolute path, "bytes": n}.
    """
    path = str(Path(target).absolute())
    if os.path.lexists(path):
        raise Refusal(f"{target} already exists; give the name of a new file", kind="target_exists")
    if not Path(path).parent.is_dir():
        raise Refusal(
            f"{target} cannot be created: its folder does not exist", kind="target_folder"
        )
    with settings.opened() as file:
        file.backup(path)
    count = Path(path).stat().st_size
    if settings.as_json:
        settings.emit({"path": path, "bytes": count})
    else:
        settings.write(lines(f"{target}: {size(count)}") + "\n")
