"""Another program that begins to read a database and does not end its transaction."""

from __future__ import annotations

import sqlite3
import sys

if __name__ == "__main__":
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM job").fetchall()
    print("reads", flush=True)
    sys.stdin.readline()
    connection.execute("COMMIT")
    connection.close()
