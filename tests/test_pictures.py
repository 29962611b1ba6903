"""The pictures of the README: the command that makes them, in its short form, and what it made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.documents import ROOT
from tests.support import PATIENCE, unmeasured

NAMES = ("demo.webp", "dashboard.webp")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the command has just made its pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    command = [sys.executable, "-m", "_pictures.program", "--quick", "--output", str(folder)]
    environment = {**unmeasured(), "PYTHONPATH": os.pathsep.join([str(ROOT / "tools"), *sys.path])}
    subprocess.run(command, env=environment, cwd=folder, check=True, timeout=PATIENCE)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_command_makes_pictures_that_are_not_blank(made: Path, name: str) -> None:
    assert_shows_something(made / name)


@pytest.mark.parametrize("name", NAMES)
def test_the_pictures_in_the_repository_are_light_and_of_the_same_size(
    made: Path, name: str
) -> None:
    kept = ROOT / "docs" / "pictures" / name
    assert kept.stat().st_size < 60_000
    assert_shows_something(kept)
    with Image.open(kept) as image, Image.open(made / name) as now:
        assert image.size == now.size


def assert_shows_something(path: Path) -> None:
    with Image.open(path) as image:
        grey = image.convert("L")
        shades = grey.histogram()
    dark, light = sum(shades[:60]), sum(shades[200:])
    # A blank page, and an error in black on white, have next to nothing but their ground.
    ground = max(shades) / sum(shades)
    assert (dark > 1000, light > 1000, ground < 0.9) == (True, True, True)
