"""The page on testing keeps its word: its tests pass, under pytest, in a folder of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents import ROOT, blocks, named_files, run

PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
FILES = named_files(PAGE)
TESTS = [name for name in FILES if name.startswith("test_")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page")
    for name, text in FILES.items():
        (made / name).write_text(text, encoding="utf-8")
    return made


def test_every_block_is_a_file_that_is_named() -> None:
    assert len(TESTS) >= 2
    assert len(FILES) == len(blocks(PAGE))


@pytest.mark.parametrize("name", TESTS)
def test_the_tests_of_the_page_pass(folder: Path, name: str) -> None:
    said = run(folder, "-m", "pytest", "-W", "error", "-q", "-p", "no:cacheprovider", name)
    written = FILES[name].count("\ndef test_")
    assert re.search(rf"^{written} passed in", said, re.MULTILINE), said
