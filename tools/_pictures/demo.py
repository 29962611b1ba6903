"""The demo's page, served in a process of its own until it is stopped."""

import sys

from _demo import arguments, server


def main() -> int:
    """Serve the page that the command line describes; the exit code."""
    options = arguments.parse(sys.argv[1:])
    if isinstance(options, arguments.PageOptions):
        return server.main(options)
    return 2  # the demo in the terminal has no page


if __name__ == "__main__":
    sys.exit(main())
