"""Make the pictures of the README: the demo at work, and its dashboard.

Starts the demo, gives it images, and takes pictures of its pages in Chromium, which must be
installed. Run it after a change of what these pages look like, and look at the pictures. Makes its
own environment on the first run.
"""

import sys

import _venv

if __name__ == "__main__":
    _venv.enter("pictures", _venv.requirements("demo", "bench-web"))

from _pictures import program

if __name__ == "__main__":
    sys.exit(program.main(sys.argv[1:], __doc__))
