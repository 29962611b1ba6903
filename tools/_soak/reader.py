"""A process that reads one old state of the file for a while, lets go, and begins again.

It writes "holding" and "free" as it does. Arguments: the file, seconds to hold, seconds to pause.
Until its standard input is closed.
"""

from __future__ import annotations

import os
import select
import sys

import apsw


def main() -> None:
    """Hold and let go."""
    path, hold, pause = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(60_000)
    # The last one to close must not be this one's checkpoint.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    while True:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM transition").fetchall()
        os.write(1, b"holding\n")
        over = _closed_within(hold)
        connection.execute("COMMIT")
        os.write(1, b"free\n")
        if over or _closed_within(pause):
            break
    connection.close()


def _closed_within(seconds: float) -> bool:
    return bool(select.select([0], [], [], seconds)[0])


if __name__ == "__main__":
    main()
