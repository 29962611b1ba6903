"""The documents as tests read them: their code blocks, commands, links and headings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support import DEADLINE

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, str]]:
    """Each code block of a document: its language and its text."""
    return _BLOCK.findall(text)


def commands(text: str) -> list[str]:
    """The lines of a document that a shell can run."""
    shown = "".join(block for language, block in blocks(text) if language == "console")
    return shown.replace("\\\n", "").splitlines()


def links(text: str) -> list[tuple[str, str]]:
    """Each link to a file or a heading, as (path, heading); either may be empty."""
    prose = _BLOCK.sub("", text)
    found = re.findall(r"\]\(([^)]+)\)", prose)
    return [
        (path, heading)
        for path, _, heading in (link.partition("#") for link in found)
        if not path.startswith("https://")
    ]


def headings(text: str) -> set[str]:
    """What a link may name after its #."""
    found = re.findall(r"^#+ (.+)$", _BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in found}


def run(folder: Path, *command: str) -> str:
    """What Python prints when it runs this command, which must succeed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=dict(os.environ),
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_examples(text: str, folder: Path) -> list[tuple[str, str | None]]:
    """Run the Python blocks of a document that are no named files, in order, in one folder, each in
    a process of its own. Return what each printed, and what the document says it prints."""
    told = []
    shown = blocks(text)
    files = set(named_files(text).values())
    for number, (language, block) in enumerate(shown):
        if language != "python" or block in files:
            continue
        example = folder / f"example_{number}.py"
        example.write_text(block, encoding="utf-8")
        output = run(folder, "-W", "error", example.name)
        following, printed = shown[number + 1] if number + 1 < len(shown) else ("", "")
        told.append((output, printed if following == "text" else None))
    return told


def named_files(text: str) -> dict[str, str]:
    """The files of a document whose name stands in the sentence before them."""
    return dict(
        re.findall(
            r"^`([\w/]+\.(?:py|html))`[^`]*?:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
        )
    )
