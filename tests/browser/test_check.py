from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sprag.browser.check import ModuleRefused, check

Write = Callable[[str, str], Path]

HEAD = "from sprag import Module\n"
CLASS = "class Shown(Module):\n    def on_click(self): {}\n"


def test_a_python_file_is_known_by_its_classes_and_their_methods(write: Write) -> None:
    path = write(
        "upload_module.py",
        """
        from sprag import Module as Page, Event
        import sprag

        class _Base(Page):
            def shared(self, event: Event): ...

        class UploadModule(_Base):
            def on_start(self): ...
            async def on_cancel(self, event, target): ...
            def _on_job(self, data): ...

        class Clock(sprag.Module):
            pass

        class Helper:
            def on_nothing(self): ...
        """,
    )
    found = check(path)
    assert (found.path, found.name, found.language) == (path, "upload_module", "python")
    assert found.classes == {
        "UploadModule": frozenset(["shared", "on_cancel", "_on_job"]),
        "Clock": frozenset(),
    }


def test_actions_that_are_called_by_a_written_name_are_known_by_their_lines(write: Write) -> None:
    path = write(
        "shop_module.py",
        """
        from sprag import Module

        class _Base(Module):
            def shared(this): this.call_action("from a base", {})

        class Shop(_Base):
            def on_start(self):
                self.call_action("one").then(lambda result: self.call_action(name="two"))
                def later():
                    self.call_action(
                        "three"
                    )
            async def on_click(self, event):
                if self.call_action("four"): ...
        """,
    )
    assert check(path).calls == (
        ("from a base", 5), ("one", 9), ("two", 9), ("three", 12), ("four", 15),
    )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "self.call_action(name)",
        "self.call_action(f'{name}')",
        "self.call_action('a' + name)",
        "self.call_action('a' if name else 'b')",
        "self.call_action(*name)",
        "self.call_action(**name)",
        "self.call_action()",
        "name.call_action('a')",
        "self.client.call_action('a')",
        "call_action('a')",
        "name = lambda self: self.call_action('a')",
        "self = name; self.call_action('a')",
        "for self in name: self.call_action('a')",
        "class Inner:\n            def go(self): self.call_action('a')",
        "def inner(self): self.call_action('a')",
    ],
)
def test_an_action_whose_name_or_owner_is_not_certain_is_left_alone(
    line: str, write: Write
) -> None:
    text = f"{HEAD}class Shown(Module):\n    def on_click(self, name):\n        {line}\n"
    text += "class Other:\n    def go(self): self.call_action('a')\n"
    text += (
        "class Static(Module):\n    @staticmethod\n    def go(client): client.call_action('a')\n"
    )
    assert check(write("page_module.py", text)).calls == ()


def test_a_javascript_file_is_known_by_the_classes_it_exports(write: Write) -> None:
    path = write(
        "clock.js",
        """
        import { Module } from "./sprag.js";
        class Hidden extends Module {}
        export class Clock extends Module { onStart() {} }
        export default class Other extends Module {}
        """,
    )
    found = check(path)
    assert (found.name, found.language) == ("clock", "javascript")
    assert found.classes == {"Clock": None, "Other": None}


@pytest.mark.parametrize(
    ("source", "line", "told"),
    [
        (HEAD + "def f(:\n", 2, "SyntaxError"),
        (
            HEAD + "import requests\n" + CLASS,
            2,
            "import of requests: Python in the browser has only",
        ),
        (HEAD + "import os, sprag\n" + CLASS, 2, "import of os"),
        (HEAD + CLASS.format("import json"), 3, "import of json"),
        (HEAD + "from sprag import QueueService\n" + CLASS, 2, "QueueService from sprag"),
        (HEAD + "from sprag.queue import Job\n" + CLASS, 2, "import of sprag.queue"),
        (HEAD + "from browser import timer\n" + CLASS, 2, "timer from browser"),
        (HEAD + "from typing import Callable\n" + CLASS, 2, "Callable from typing"),
        (HEAD + "from . import other\n" + CLASS, 2, "relative import"),
        (HEAD + CLASS.format("open('x')"), 3, "open does not work in a browser"),
        (HEAD + CLASS.format("return input()"), 3, "input does not work"),
        (HEAD + CLASS.format("eval('x')"), 3, "eval does not work"),
        (HEAD + CLASS.format("exec('x')"), 3, "exec does not work"),
        (HEAD + CLASS.format("return __file__"), 3, "__file__ does not work"),
        (
            HEAD + "class A(Module):\n  def every(self): ...\n",
            2,
            "A defines every, which is a method of Module",
        ),
        (HEAD + "class Other: ...\n", 1, "expected a subclass of Module"),
        ("class Module: ...\nclass Shown(Module): ...\n", 1, "expected a subclass of Module"),
        ("x = '\0'\n", 1, "SyntaxError"),
        ("x = '\udcff'\n", 1, "expected UTF-8"),
    ],
)
def test_what_no_browser_could_run_is_refused_by_file_and_line(
    tmp_path: Path, source: str, line: int, told: str
) -> None:
    path = tmp_path / "shown.py"
    path.write_bytes(source.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModuleRefused) as refused:
        check(path)
    assert str(refused.value).startswith(f"{path}:{line}: ")
    assert told in refused.value.message
    assert (refused.value.path, refused.value.line) == (path, line)


@pytest.mark.parametrize(
    "source",
    [
        HEAD + "from browser import aio, document, html, window\nimport browser.aio\n" + CLASS,
        HEAD + "from javascript import Date\nfrom __future__ import annotations\n" + CLASS,
        HEAD + "import typing\nif typing.TYPE_CHECKING:\n    import os\n" + CLASS,
        HEAD + "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\n" + CLASS,
        HEAD + "class Shown(Module):\n    def open(self): self.open()\n",
        HEAD + CLASS.format("open = 1; return open"),
        "from sprag import *\n" + CLASS,
    ],
)
def test_what_a_browser_can_run_is_taken(write: Write, source: str) -> None:
    assert "Shown" in check(write("shown.py", source.replace("{}", "pass"))).classes


@pytest.mark.parametrize("name", ["two words.py", "sprag.py", "browser.py", "builtins.py", "a.txt"])
def test_names_that_no_module_can_have_are_refused(write: Write, name: str) -> None:
    with pytest.raises(ModuleRefused):
        check(write(name, HEAD + CLASS.format("pass")))


def test_a_script_without_a_class_to_start_is_refused(write: Write) -> None:
    with pytest.raises(ModuleRefused, match="expected export class"):
        check(write("x.js", "class Shown extends Module {}"))
