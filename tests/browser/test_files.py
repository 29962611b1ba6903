from __future__ import annotations

import gzip
import hashlib
import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from sprag.browser import files
from sprag.http.files import File

KIB = 1024


def weight(assets: tuple[File, ...]) -> int:
    return sum(len(asset.gzipped) for asset in assets)


def test_a_page_without_python_weighs_under_12_kb() -> None:
    assert weight(files.core_assets()) < 12 * KIB


def test_a_page_with_python_weighs_under_320_kb() -> None:
    assert weight(files.core_assets() + files.python_assets()) < 320_000


def test_names_carry_the_hash_of_the_content() -> None:
    for asset in [*files.core_assets(), *files.python_assets()]:
        assert gzip.decompress(asset.gzipped) == asset.content
        digest = hashlib.sha256(asset.content).hexdigest()
        assert asset.immutable == (asset.name.split(".")[1] == digest[:12])


def test_the_alias_points_to_the_script() -> None:
    script, alias, _early = files.core_assets()
    assert alias.name == "sprag.js"
    assert not alias.immutable
    assert alias.content.decode() == f'export * from "./{script.name}";\n'
    assert files.script_name() == script.name


def test_the_names_for_a_page_are_those_of_the_assets() -> None:
    names = files.python_names()
    served = {asset.name for asset in files.python_assets()}
    assert {names.brython, names.bridge, names.runtime} == served
    assert names.brython.startswith("brython.")


SCRIPTS = {"page": files._PAGE, "bridge": files._BRIDGE}
DECLARED = r"^{}(?:async )?(?:class|const|function|let) (\w+)"


def part_of(folder: str, part: str) -> str:
    file = Path(files.__file__).parent / folder / f"{part}.js"
    return file.read_text(encoding="utf-8")


def served(folder: str) -> str:
    asset = files.core_assets()[0] if folder == "page" else files.python_assets()[1]
    return asset.content.decode()


@pytest.mark.parametrize("folder", SCRIPTS)
def test_every_part_of_a_script_is_served_but_the_types(folder: str) -> None:
    there = {file.stem for file in (Path(files.__file__).parent / folder).glob("*.js")}
    assert there - {"types"} == set(SCRIPTS[folder])
    names = set(re.findall(DECLARED.format(""), served(folder), re.MULTILINE))
    for part in SCRIPTS[folder]:
        text = part_of(folder, part)
        assert set(re.findall(DECLARED.format("(?:export )?"), text, re.MULTILINE)) <= names


@pytest.mark.parametrize("folder", SCRIPTS)
def test_a_part_of_a_script_imports_only_those_before_it(folder: str) -> None:
    parts = SCRIPTS[folder]
    for at, part in enumerate(parts):
        imports = re.findall(
            r'^import \{[^;]* from "\./(\w+)\.js";$', part_of(folder, part), re.MULTILINE
        )
        assert set(imports) <= set(parts[:at])


@pytest.mark.parametrize("folder", SCRIPTS)
def test_no_name_of_a_script_is_taken_twice(folder: str) -> None:
    names = re.findall(DECLARED.format(""), served(folder), re.MULTILINE)
    assert len(names) > 15
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("folder", SCRIPTS)
def test_a_script_has_lost_its_comments_and_what_its_parts_import(folder: str) -> None:
    script = served(folder)
    assert "/**" not in script
    assert not re.search(r"^\s*//|^import \{|^export (?!\{)", script, re.MULTILINE)
    assert script.count("\nexport {") == 1


def test_a_line_of_the_early_script_keeps_its_number() -> None:
    early = files.core_assets()[2].content.decode()
    source = Path(files.__file__).with_name("early.js").read_text()
    assert early.count("\n") == source.count("\n")


def test_a_pages_own_module_is_served_as_it_is(tmp_path: Path) -> None:
    python = tmp_path / "upload_module.py"
    python.write_text("# é\n", encoding="utf-8")
    script = tmp_path / "clock.js"
    script.write_text("// tick\n")
    first = files.page_module(python)
    assert first.name.startswith("upload_module.")
    assert first.name.endswith(".py")
    assert first.content.decode() == "# é\n"
    assert first.media_type == "text/x-python; charset=utf-8"
    assert files.page_module(script).media_type == "text/javascript; charset=utf-8"
    odd = tmp_path / "two words?.js"
    odd.write_text("")
    assert files.page_module(odd).name.startswith("two_words_.")
    python.write_text("# changed\n")
    assert files.page_module(python).name != first.name


def test_without_brython_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = resources.files

    def missing(package: str) -> Traversable:
        return find("sprag.browser" if package == "brython" else package)

    monkeypatch.setattr(resources, "files", missing)
    files.python_assets.cache_clear()
    with pytest.raises(RuntimeError, match=r"install sprag-queue\[web\]"):
        files.python_assets()
