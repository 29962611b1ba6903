"""Prints the secret of a database and the name of its cookie, once its standard input is closed."""

from __future__ import annotations

import sys

from sprag.web.secret import cookie_name, secret_of

if __name__ == "__main__":
    sys.stdin.read()
    print(secret_of(sys.argv[1]), cookie_name(sys.argv[1], "one secret of all"))
