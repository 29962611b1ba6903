"""Make thumbnails of a folder of images through a durable queue, with live progress bars.

Takes the folder's images, those of folders in it too; without a folder it makes some dozens of
large ones first. Interrupt it (Ctrl-C, SIGTERM, even kill -9) and start the same command again:
it goes on where it was. Makes its own environment on the first run.

Exit codes: 0 every image has its thumbnails, 1 some have none, 2 it could not begin,
130 and 143 it was interrupted and another run goes on.
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
    from _demo.app import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main(arguments.parse(sys.argv[1:], __doc__)))
