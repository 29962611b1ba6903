"""Write docs/reference.md: every public name, from its signature and docstring.

Run it after a change of a public name or its docstring. Makes its own environment on the first run.
"""

import sys
from pathlib import Path

import _venv

if __name__ == "__main__":
    _venv.enter("reference", _venv.requirements())

from _reference import document

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference.md"


def main() -> int:
    """Write the file; the exit code."""
    TARGET.write_text(document.render(), encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
