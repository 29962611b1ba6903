"""Write docs/reference.md: every public name, from its signature and docstring.

Run it after a change of a public name or its docstring. Makes its own environment on the first run.
"""

import argparse
import sys
from pathlib import Path

import _venv

if __name__ == "__main__":
    _venv.enter("reference", _venv.requirements())

from _reference import document

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference.md"


def main() -> int:
    """Write the file that the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(prog="tools/reference.py", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=TARGET, metavar="FILE", help="default: docs/reference.md"
    )
    target: Path = parser.parse_args().output
    target.write_text(document.render(), encoding="utf-8")
    print(f"{target}: {target.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
