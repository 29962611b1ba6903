"""List the jobs of a file, look at the help of `sprag run`, and print the names of all modules."""

from __future__ import annotations

import sys

from sprag.cli import main

main(["list", "-d", sys.argv[1]])
main(["run", "--help"])
print(*sys.modules)
