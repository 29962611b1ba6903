"""Make thumbnails through a durable queue, in a page that shows how far each image is.

Opens a page: drop images on it, or let it make large ones; cancel some; close the tab, or end this
program (Ctrl-C, SIGTERM, even kill -9), and start the same command again: everything is there, and
goes on where it was. With --terminal it takes a folder and needs no browser. Makes its own
environment on the first run.

Exit codes: 2 it could not begin, 130 and 143 it was ended and another run goes on.
"""

import sys

import _venv
from _demo import arguments

if __name__ == "__main__":
    # A wrong argument need not wait for the environment.
    arguments.parse(sys.argv[1:], __doc__)
    try:
        _venv.enter("demo", _venv.requirements("demo"))
    except KeyboardInterrupt:
        sys.exit(130)

try:
    from _demo import app, server
except KeyboardInterrupt:
    sys.exit(130)


def main() -> int:
    """Run the demo that was asked for; the exit code."""
    options = arguments.parse(sys.argv[1:], __doc__)
    if isinstance(options, arguments.TerminalOptions):
        return app.main(options)
    return server.main(options)


if __name__ == "__main__":
    sys.exit(main())
