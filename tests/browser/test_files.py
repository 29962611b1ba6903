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


def parts() -> dict[str, str]:
    folder = Path(files.__file__).with_name("page")
    return {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.js")}


def test_every_part_of_the_script_is_served_but_the_types() -> None:
    assert {*files._PAGE, "types"} == set(parts())
    script = files.core_assets()[0].content.decode()
    for text in parts().values():
        for name in re.findall(
            r"^export (?:async )?(?:class|const|function) (\w+)", text, re.MULTILINE
        ):
            assert len(
                re.findall(
                    rf"^(?:class|const|function|async function) {name}\b", script, re.MULTILINE
                )
            )


@pytest.mark.parametrize("part", files._PAGE)
def test_a_part_of_the_script_imports_only_those_before_it(part: str) -> None:
    imported = re.findall(r'^import [^;]* from "\./(\w+)\.js";$', parts()[part], re.MULTILINE)
    assert set(imported) <= set(files._PAGE[: files._PAGE.index(part)])


def test_no_name_of_the_script_is_taken_twice() -> None:
    script = files.core_assets()[0].content.decode()
    names = re.findall(r"^(?:async )?(?:class|const|function|let) (\w+)", script, re.MULTILINE)
    assert len(names) > 50
    assert sorted(set(names)) == sorted(names)


def test_what_is_served_has_lost_its_comments_and_what_its_parts_import() -> None:
    script, _alias, early = (asset.content.decode() for asset in files.core_assets())
    for served in (script, early):
        assert "/**" not in served
        assert not re.search(r"^\s*//", served, re.MULTILINE)
    assert not re.search(r"^import\b|^export (?!\{)", script, re.MULTILINE)
    assert script.count("export {") == 1


def test_a_line_of_the_early_script_keeps_its_number() -> None:
    served = files.core_assets()[2].content.decode()
    source = Path(files.__file__).with_name("early.js").read_text()
    assert served.count("\n") == source.count("\n")


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
