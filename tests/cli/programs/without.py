"""Run the `sprag` command where a module is not installed. Arguments: the module, and those of the
command."""

from __future__ import annotations

import sys

missing, *arguments = sys.argv[1:]
# What Python takes for a module that is not there.
sys.modules[missing] = None  # type: ignore[assignment]

from sprag.cli import main

sys.exit(main(arguments))
