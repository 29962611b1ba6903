"""`python -m sprag` is the program `sprag`."""

import sys

from sprag.cli import main

if __name__ == "__main__":
    sys.exit(main())
