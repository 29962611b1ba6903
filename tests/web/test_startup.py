"""What cannot work is said before anything is served, in a sentence that names the place."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from sprag.queue import ConfigurationError, QueueClosed, QueueService
from sprag.web import App, Field, Schema, StartupError, Upload, action
from tests.support import child, queue_class
from tests.web.conftest import MakeApp, WritePackage

PROGRAMS = Path(__file__).with_name("programs")

CONTROLLER = "from sprag import Controller, Field, Schema, action\n"


def page(name: str = "Home", route: str = '"/"', body: str = "") -> str:
    return CONTROLLER + f"class {name}(Controller):\n    route = {route}\n{body}"


def refusal(app: App) -> str:
    with pytest.raises(StartupError) as caught:
        app.build()
    return str(caught.value)


# ---------------------------------------------------------------- the package


@pytest.mark.parametrize("routes", ["nowhere_at_all", "nowhere_at_all.routes", "json.nowhere"])
def test_a_package_that_is_not_there(routes: str, database: Path) -> None:
    said = refusal(App(routes=routes, database=database))
    assert f"there is no package {routes!r}" in said


@pytest.mark.parametrize("routes", ["", None, 5, ".routes", "app..routes", "app/routes", "a b"])
def test_a_path_that_is_none(routes: Any, database: Path) -> None:
    with pytest.raises(StartupError, match=r"expected an import path such as 'app.routes', got"):
        App(routes=routes, database=database)


def test_a_module_instead_of_a_package(write_package: WritePackage, database: Path) -> None:
    package = write_package({"page.py": page()})
    said = refusal(App(routes=f"{package}.page", database=database))
    assert f"expected a package, a folder with controllers, got the module {package}.page" in said


def test_a_package_without_controllers(make_app: MakeApp) -> None:
    app = make_app({"page.py": "from sprag import Controller", "other.py": "X = 1"})
    assert "there is no Controller in the package site_" in refusal(app)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import nothing_like_this", "No module named 'nothing_like_this'"),
        ("from sprag import Nonsense", "cannot import name 'Nonsense'"),
        ("1 / 0", "division by zero"),
        ("def (", "invalid syntax|expected"),
        ("from . import nowhere", "cannot import name 'nowhere'"),
        ("from .nowhere import x", "No module named 'site_.*nowhere'"),
    ],
)
def test_what_goes_wrong_inside_a_module_is_shown_as_it_is(
    source: str, error: str, make_app: MakeApp
) -> None:
    with pytest.raises((ImportError, ArithmeticError, SyntaxError), match=error) as caught:
        make_app({"page.py": source}).build()
    assert not isinstance(caught.value, StartupError)


def test_a_folder_inside_is_searched_and_its_errors_are_shown(make_app: MakeApp) -> None:
    app = make_app({
        "admin/__init__.py": "", "admin/users.py": page("Users", '"/admin/users"'),
        "admin/users.html": "<h1>Users</h1>",
    })  # fmt: skip
    assert [route.path for route in app.build().routes if hasattr(route, "path")][3:] == [
        "/admin/users"
    ]
    with pytest.raises(ZeroDivisionError):
        make_app({"admin/__init__.py": "1 / 0", "admin/users.py": ""}).build()


def test_modules_for_the_browser_are_not_imported_by_the_server(make_app: MakeApp) -> None:
    app = make_app({
        "page.py": page(), "page.html": "",
        "page_module.py": (
            "from browser import window\nfrom sprag import Module\nclass Home(Module):\n    pass\n"
        ),
    })  # fmt: skip
    app.build()
    assert not [name for name in sys.modules if name.endswith("page_module")]


# ---------------------------------------------------------------- routes, templates, load


def test_two_controllers_on_one_route(make_app: MakeApp) -> None:
    app = make_app({
        "one.py": page("One", '"/x"'), "one.html": "",
        "two.py": page("Two", '"/x"'), "two.html": "",
    })  # fmt: skip
    said = refusal(app)
    assert re.search(
        r"two controllers have the route '/x': site_\d+.one.One and site_\d+.two.Two", said
    )


def test_a_route_without_a_template(make_app: MakeApp) -> None:
    said = refusal(make_app({"page.py": page()}))
    assert re.search(r"page.Home has a route but no template: expected .*/page.html$", said)


def test_two_pages_of_one_module_each_name_their_template(make_app: MakeApp) -> None:
    two = page("One", '"/1"') + "class Two(Controller):\n    route = '/2'\n"
    said = refusal(make_app({"page.py": two, "page.html": ""}))
    assert "in a module with several pages, each one names its template in `template`" in said


def test_a_template_that_is_not_there(make_app: MakeApp) -> None:
    said = refusal(make_app({"page.py": page(body="    template = 'other.html'\n")}))
    assert re.search(r"Home.template: there is no file .*/other.html", said)


@pytest.mark.parametrize(
    "load",
    ["def load(self): return {}", "async def load(self): return {'x': 1}",
     "def load(self) -> dict: return self.other()",
     "def load(self) -> 'dict[str, int]': return self.other()",
     "def load(self):\n        def inner(): return 5\n        return {'x': inner()}"],
)  # fmt: skip
def test_a_page_that_loads_data_needs_a_template(load: str, make_app: MakeApp) -> None:
    said = refusal(make_app({"page.py": page(body=f"    {load}\n"), "pag.html": ""}))
    assert re.search(r"but no template: expected .*/page.html; did you mean .*/pag.html\?", said)


def test_a_page_that_may_answer_otherwise_needs_none(make_app: MakeApp) -> None:
    body = "    def load(self):\n        if 5: return {}\n        return self.other()\n"
    make_app({"page.py": page(body=body)}).build()


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ('"images"', "expected a path such as /images, got 'images'"),
        ("5", "expected a path such as /images, got 5"),
        ('"/_sprag/mine"', "/_sprag is reserved for sprag"),
        ('"/_sprag"', "/_sprag is reserved for sprag"),
        ('"/a/{b:nonsense}"', "nonsense"),
        ('"/{a}/{a}"', "Duplicated param name"),
    ],
)
def test_a_route_that_is_none(route: str, said: str, make_app: MakeApp) -> None:
    refused = refusal(make_app({"page.py": page(route=route), "page.html": ""}))
    assert "page.Home.route: " in refused
    assert said in refused


@pytest.mark.parametrize(
    ("route", "load", "given"),
    [
        ('"/{name}"', "def load(self): return {}", "name"),
        ('"/{name}"', "def load(self, title): return {}", "name"),
        ('"/"', "def load(self, name): return {}", "no arguments"),
        ('"/{a}/{b}"', "async def load(self, a): return {}", "a, b"),
    ],
)
def test_a_load_that_does_not_take_what_its_route_gives(
    route: str, load: str, given: str, make_app: MakeApp
) -> None:
    said = refusal(make_app({"page.py": page(route=route, body=f"    {load}\n"), "page.html": ""}))
    assert f"the route {route.replace(chr(34), chr(39))} passes {given}" in said
    assert "page.Home.load(self" in said


def test_a_mistake_in_a_template_has_its_file_and_line(make_app: MakeApp) -> None:
    app = make_app({"page.py": page(), "page.html": "<h1>Page</h1>\n\n{% if x %}\n{{ y }\n"})
    assert re.search(r"/page.html:4: unexpected '}'", refusal(app))


def test_an_unknown_filter_in_a_template_has_its_file_and_line(make_app: MakeApp) -> None:
    app = make_app({"page.py": page(), "page.html": "\n{{ x | shout }}"})
    assert re.search(r"/page.html:2: No filter named 'shout'", refusal(app))


# ---------------------------------------------------------------- what runs in the browser

MODULE = "from sprag import Module\n\nclass Home(Module):\n    def on_press(self):\n        pass\n"


@pytest.mark.parametrize(
    ("source", "place", "said"),
    [
        (
            "from sprag import Module\n\nimport os\n",
            3,
            "import of os: Python in the browser has only",
        ),
        (MODULE + "        open('x')\n", 6, "open does not work in a browser"),
        (MODULE + "    def (\n", 6, "SyntaxError"),
        ("x = 1\n", 1, "no class to start"),
        ("from sprag import QueueService\n", 1, "import of QueueService from sprag"),
        ("from .page import Home\n", 1, "relative import"),
        (b"\xff\xfe", 1, "expected UTF-8"),
    ],
)
def test_a_module_that_no_browser_can_run_has_its_file_and_line(
    source: str | bytes, place: int, said: str, make_app: MakeApp
) -> None:
    refused = refusal(make_app({"page.py": page(), "page.html": "", "page_module.py": source}))
    assert f"/page_module.py:{place}: {said}" in refused


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        ('<p>\n<button data-on-click="on_pres">', "page.html:2: <button> data-on-click='on_pres'"),
        ('<b data-on-click="set_state">', "page.html:1: <b> data-on-click='set_state'"),
        ('\n\n<p data-module="Away">', "page.html:3: <p> data-module='Away'"),
        ('<p data-text="a + b">', "page.html:1: <p> data-text='a + b'"),
    ],
)
def test_markup_that_means_nothing_has_its_file_and_line(
    markup: str, said: str, make_app: MakeApp
) -> None:
    app = make_app({"page.py": page(), "page.html": markup, "page_module.py": MODULE})
    assert said in refusal(app)


def test_two_modules_beside_one_page(make_app: MakeApp) -> None:
    script = "export class Home extends Module {}"
    app = make_app({
        "page.py": page(), "page.html": "", "page_module.py": MODULE, "page_module.js": script,
    })  # fmt: skip
    assert "expected one module file" in refusal(app)


def test_a_module_that_is_not_there(make_app: MakeApp) -> None:
    app = make_app({"page.py": page(body="    module = 'away.js'\n"), "page.html": ""})
    assert re.search(r"page.Home.module: there is no file .*/away.js", refusal(app))


@pytest.mark.parametrize(
    "markup",
    ['<b data-on-click="on_press">', '<form data-on-submit="x"></form>', '<p data-module="Home">'],
)
def test_markup_that_calls_a_module_on_a_page_that_has_none(markup: str, make_app: MakeApp) -> None:
    said = refusal(make_app({"page.py": page(), "page.html": f"<h1>Page</h1>\n{markup}"}))
    assert "/page.html:2: <" in said
    assert "the page has no module" in said or "(it has none)" in said


def test_markup_of_others_on_a_page_without_a_module_is_left_alone(make_app: MakeApp) -> None:
    markup = '<p data-text="a + b" data-show="#menu" data-key="x y" data-id="5">'
    make_app({"page.py": page(), "page.html": markup}).build()


@pytest.mark.parametrize(
    ("attribute", "meant"),
    [
        ("data-on-clik", "data-on-click"), ("data-on-onclick", "data-on-click"),
        ("data-on-sumbit", "data-on-submit"), ("data-on-keydwon", "data-on-keydown"),
        ("data-onclick", "data-on-click"), ("data-on_click", "data-on-click"),
        ("data-on:submit", "data-on-submit"), ("data-onpointerdown", "data-on-pointerdown"),
    ],
)  # fmt: skip
def test_an_event_that_never_happens_has_its_file_and_line(
    attribute: str, meant: str, make_app: MakeApp
) -> None:
    markup = f'<h1>Page</h1>\n<b {attribute}="on_press">'
    said = refusal(make_app({"page.py": page(), "page.html": markup, "page_module.py": MODULE}))
    assert f"/page.html:2: <b> {attribute}=" in said
    assert meant in said


@pytest.mark.parametrize("event", ["click", "beforeinput", "job-done", "my:event", "chosen", "x"])
def test_an_event_of_browsers_or_of_the_page_itself_is_fine(event: str, make_app: MakeApp) -> None:
    markup = f'<b data-on-{event}="on_press">'
    make_app({"page.py": page(), "page.html": markup, "page_module.py": MODULE}).build()


def test_a_handler_that_is_misspelt_is_told_with_the_one_that_is_meant(make_app: MakeApp) -> None:
    markup = '<b data-on-click="on_pres">'
    said = refusal(make_app({"page.py": page(), "page.html": markup, "page_module.py": MODULE}))
    assert "names a method that Home does not have (it has on_press); did you mean" in said


def test_what_a_template_includes_is_checked_too(make_app: MakeApp) -> None:
    app = make_app({
        "page.py": page(), "page_module.py": MODULE,
        "page.html": "{% extends 'base.html' %}{% block main %}{% include 'part.html' %}"
        "{% include 'away.html' ignore missing %}{% endblock %}",
        "base.html": "<main>{% block main %}{% endblock %}</main>",
        "part.html": '<p>\n<b data-on-click="nonsense">',
    })  # fmt: skip
    assert "/part.html:2: <b> data-on-click='nonsense'" in refusal(app)
    app = make_app({"page.py": page(), "page.html": "\n{% include 'away.html' %}"})
    assert re.search(r"/page.html:2: there is no template 'away.html'", refusal(app))


# ---------------------------------------------------------------- what controllers name


@pytest.mark.parametrize(
    "call",
    ['self.enqueue("wrok", 5)', 'self.enqueue(queue="wrok", item=5)', 'self.jobs("wrok")',
     'self.job_status("wrok", "x")', 'self.request_job_cancel("wrok", "x")', 'self.queue("wrok")',
     'self.app.queue("wrok").counts()', "self.enqueue(QUEUE, 5)", "self.enqueue(self.own, 5)",
     'self.enqueue(\n            "wrok", 5)'],
)  # fmt: skip
def test_a_provider_that_is_not_there_has_its_line(call: str, make_app: MakeApp) -> None:
    body = f"    own = 'wrok'\n    @action\n    def go(self):\n        return {call}\n"
    source = page(body=body).replace("class ", "QUEUE = 'wrok'\nclass ")
    said = refusal(make_app({"page.py": source, "page.html": ""}))
    assert re.search(r"/page\.py:8: self\.\w+\('wrok', …\): there is no provider 'wrok'", said)
    assert "App(providers=) has 'work'; did you mean 'work'?" in said


@pytest.mark.parametrize(
    "code",
    ['self.enqueue("work", 5)', "self.enqueue(name, 5)", "self.enqueue(QUEUE, 5)",
     'other.enqueue("wrok", 5)', 'self.queue("work").enqueue("wrok")', "self.enqueue(5, 5)",
     'self.enqueue(f"{name}", 5)', "self.jobs(*name)"],
)  # fmt: skip
def test_a_name_that_is_right_or_only_known_later_is_left_alone(
    code: str, make_app: MakeApp
) -> None:
    body = f"    def help(self, name, other, QUEUE='wrok'):\n        return {code}\n"
    source = page(body=body).replace("class ", "QUEUE = 'wrok'\nclass ")
    make_app({"page.py": source, "page.html": ""}).build()


def test_a_controller_with_a_method_of_its_own_name_takes_what_it_likes(make_app: MakeApp) -> None:
    body = (
        "    def enqueue(self, item): return super().enqueue('work', item)\n"
        "    @action\n    def go(self): return self.enqueue('anything')\n"
    )
    make_app({"page.py": page(body=body), "page.html": ""}).build()


def test_a_provider_that_a_base_names_has_the_place_in_the_base(make_app: MakeApp) -> None:
    base = CONTROLLER + "class _Base(Controller):\n    def more(self): self.jobs('away')\n"
    app = make_app({
        "base.py": base, "page.html": "",
        "page.py": "from .base import _Base\nclass Home(_Base):\n    route = '/'\n",
    })  # fmt: skip
    assert re.search(r"/base.py:3: self.jobs\('away', …\)", refusal(app))


# ---------------------------------------------------------------- what pages call

CALLING = """
from sprag import Module


class Home(Module):
    def on_start(self, name="anything"):
        {call}
"""


def counting(call: str) -> dict[str, str | bytes]:
    return {
        "page.py": page(body="    @action\n    def count(self): pass\n"), "page.html": "",
        "page_module.py": CALLING.format(call=call),
    }  # fmt: skip


def test_an_action_that_is_not_there_has_its_line(make_app: MakeApp) -> None:
    said = refusal(make_app(counting("self.call_action('cuont', {}).then(print)")))
    assert re.search(
        r"/page_module\.py:7: self\.call_action\('cuont', …\): there is no action 'cuont'; the "
        r"controllers have 'count'; did you mean 'count'\?$",
        said,
    )
    assert "did you mean" not in refusal(make_app(counting("self.call_action('other')")))


def test_an_action_of_any_controller_may_be_called_from_any_page(make_app: MakeApp) -> None:
    other = page("Other", "None", "    @action(name='far.away')\n    def go(self): pass\n")
    sources = {**counting("self.call_action('far.away'); self.call_action('count')")}
    make_app({**sources, "other.py": other}).build()


def test_an_action_that_is_only_known_later_is_left_alone(make_app: MakeApp) -> None:
    make_app(counting("self.call_action(name)")).build()


# ---------------------------------------------------------------- actions


def test_two_actions_of_one_name(make_app: MakeApp) -> None:
    body = "    @action\n    def go(self): pass\n"
    app = make_app({
        "one.py": page("One", '"/1"', body), "one.html": "",
        "two.py": page("Two", '"/2"', body), "two.html": "",
    })  # fmt: skip
    said = refusal(app)
    assert "two actions have the name 'go'" in said
    assert "one.One.go" in said
    assert "two.Two.go" in said


def test_two_methods_under_one_name(make_app: MakeApp) -> None:
    body = "    @action\n    def go(self): pass\n    @action(name='go')\n    def run(self): pass\n"
    said = refusal(make_app({"page.py": page(body=body), "page.html": ""}))
    assert "Home.go and" in said
    assert "Home.run" in said


@pytest.mark.parametrize("name", ["enqueue", "jobs", "session", "load", "queue"])
def test_an_action_that_hides_a_verb_of_its_controller(name: str, make_app: MakeApp) -> None:
    body = f"    @action\n    def {name}(self): pass\n"
    said = refusal(make_app({"page.py": page(body=body), "page.html": ""}))
    assert f"page.Home.{name}: an action cannot have the name" in said


def test_actions_of_a_base_in_two_pages(make_app: MakeApp) -> None:
    base = CONTROLLER + "class _Base(Controller):\n    @action\n    def go(self): pass\n"
    two = "class {0}(_Base):\n    route = '/{0}'\n    template = 'x.html'\n"
    app = make_app({"page.py": base + two.format("One") + two.format("Two"), "x.html": ""})
    assert "two actions have the name 'go'" in refusal(app)


@pytest.mark.parametrize(
    ("arguments", "fields", "said"),
    [
        ("self", {"x": Field(int)}, "passes x, which does not fit"),
        ("self, x, y", {"x": Field(int)}, "missing a required argument: 'y'"),
        ("self, z", {"x": Field(int)}, "does not fit"),
        ("self, x", None, "an action without a schema gets no arguments"),
        ("", None, "does not fit its arguments"),
    ],
)
def test_a_method_that_does_not_take_the_schemas_fields(
    arguments: str, fields: Mapping[str, Field] | None, said: str
) -> None:
    names: dict[str, Any] = {}
    exec(f"def go({arguments}): pass", names)
    schema = None if fields is None else Schema("s", fields)
    with pytest.raises(StartupError, match=r"@action on go\(") as caught:
        action(schema=schema)(names["go"])
    assert said in str(caught.value)


@pytest.mark.parametrize("arguments", ["self, x", "self, *, x", "self, **rest", "self, x, y=1"])
def test_a_method_that_takes_them_one_way_or_another(arguments: str) -> None:
    names: dict[str, Any] = {}
    exec(f"def go({arguments}): pass", names)
    assert action(schema=Schema("s", {"x": Field(int)}))(names["go"]) is names["go"]


@pytest.mark.parametrize("name", ["", "a b", "ä", "1st", "a/b", 5, "x" * 101])
def test_a_name_that_no_action_can_have(name: Any) -> None:
    with pytest.raises(StartupError, match="expected a name of letters"):

        @action(name=name)
        def go(self: Any) -> None: ...


def test_a_decorator_in_the_wrong_place() -> None:
    with pytest.raises(StartupError, match="expected a method, got <staticmethod"):
        action(staticmethod(print))
    with pytest.raises(StartupError, match="schema: expected a Schema, got 'size'"):

        @action(schema=cast(Any, "size"))
        def go(self: Any) -> None: ...


def test_a_deferred_action_takes_no_file() -> None:
    with pytest.raises(StartupError, match="a deferred action cannot take an Upload"):

        @action(defer=True, schema=Schema("s", {"file": Field(Upload)}))
        def go(self: Any, file: Upload) -> None: ...


# ---------------------------------------------------------------- providers and the file


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (queue_class(), "expected an instance, got the class; write TestQueue()"),
        (None, "expected a QueueService, got None"),
        ("work", "expected a QueueService, got 'work'"),
        (dict, "expected a QueueService, got <class 'dict'>"),
    ],
)
def test_a_provider_that_is_no_queue(provider: Any, said: str, make_app: MakeApp) -> None:
    with pytest.raises(StartupError) as caught:
        make_app(providers={"images": provider})
    assert f"App: providers: 'images': {said}" in str(caught.value)


def test_one_queue_under_two_names(make_app: MakeApp) -> None:
    with pytest.raises(StartupError, match="'one' and 'two' are the same queue, 'work'"):
        make_app(providers={"one": queue_class()(), "two": queue_class()()})


def test_queues_in_two_files(make_app: MakeApp, tmp_path: Path) -> None:
    elsewhere = queue_class()(database=tmp_path / "other.db")
    with pytest.raises(StartupError, match=r"share one file, expected .*jobs.db, but 'x' uses .*o"):
        make_app(providers={"x": elsewhere})
    here = queue_class(name="here")(database=tmp_path / "here.db")
    with pytest.raises(StartupError, match=r"expected .*here.db, but 'x' uses .*other.db"):
        make_app(providers={"here": here, "x": elsewhere}, database=None)


def test_queues_that_agree_name_the_file_for_the_application(
    make_app: MakeApp, tmp_path: Path
) -> None:
    queue = queue_class()(database=tmp_path / "here.db")
    assert make_app(providers={"x": queue}, database=None).database == str(tmp_path / "here.db")


@pytest.mark.parametrize("path", ["", ":memory:", 5, "a\0b", b"x"])
def test_a_file_that_is_none(path: Any, make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="expected the path of a file"):
        make_app(database=path)


def test_a_queue_without_a_handler_is_left_to_other_processes(make_app: MakeApp) -> None:
    with make_app(providers={"work": QueueService(name="work")}) as app:
        assert app.queues["work"].enqueue(1).status == "queued"


# ---------------------------------------------------------------- the rest of App


def test_a_shell_with_a_mistake_has_its_line(make_app: MakeApp, tmp_path: Path) -> None:
    assert "shell:2: " in refusal(make_app(shell="<html>\n{{ page.content }"))
    file = tmp_path / "frame.html"
    file.write_text("<html>\n\n{% nonsense %}")
    assert "frame.html:3: " in refusal(make_app(shell=file))


@pytest.mark.parametrize("shell", ["away.html", Path("away.html")])
def test_a_shell_that_is_not_there(shell: Any, make_app: MakeApp) -> None:
    assert re.search("shell: there is no file .*/away.html", refusal(make_app(shell=shell)))


def test_a_shell_that_is_none(make_app: MakeApp) -> None:
    assert "shell: expected a Jinja2 template" in refusal(make_app(shell=5))


def test_a_static_folder_that_is_not_there(make_app: MakeApp) -> None:
    assert re.search("static: there is no folder .*/away", refusal(make_app(static="away")))


@pytest.mark.parametrize("path", ["jobs", "/", "", 5])
def test_a_dashboard_path_that_is_none(path: Any, make_app: MakeApp) -> None:
    assert "dashboard: expected a path such as /dashboard" in refusal(make_app(dashboard=path))


def test_a_dashboard_without_a_token_says_so_in_the_log(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sprag.web")
    make_app(dashboard="/jobs", dashboard_token="long enough a token").build()
    assert "no token" not in caplog.text
    make_app(dashboard="/jobs").build()
    assert "the dashboard at /jobs has no token" in caplog.text


def test_a_dashboard_token_that_can_be_guessed(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="expected a token of 16 characters or more"):
        make_app(dashboard="/jobs", dashboard_token="short").build()


@pytest.mark.parametrize("path", ["api", "", 5, "/_sprag", "/_sprag/x"])
def test_a_mount_that_is_at_no_path(path: Any, make_app: MakeApp) -> None:
    said = refusal(make_app(mounts={path: lambda scope, receive, send: None}))
    assert f"App: mounts: expected a path such as /api, got {path!r}" in said


def test_a_mount_that_is_no_application(make_app: MakeApp) -> None:
    said = refusal(make_app(mounts={"/api": "app"}))
    assert "App: mounts: '/api': expected an ASGI application, got 'app'" in said


@pytest.mark.parametrize(
    "origins",
    ["https://example.org", ["example.org"], ["https://example.org/"], ["ftp://x"], ["https://"],
     ["https://a@example.org"], [None], ["null"], ["*"], ["http://[::1"], ["http://a:x"]],
)  # fmt: skip
def test_origins_that_are_none(origins: Any, make_app: MakeApp) -> None:
    with pytest.raises(StartupError, match="App: origins: expected"):
        make_app(origins=origins)


@pytest.mark.parametrize("secret", ["short", "", b"a secret of bytes, long enough", 5])
def test_a_secret_that_is_none(secret: Any, make_app: MakeApp) -> None:
    with pytest.raises(StartupError, match="secret: expected a text of at least 16") as caught:
        make_app(secret=secret)
    assert "short" not in str(caught.value).replace("a shorter one", "")


def test_a_secret_of_the_environment_that_is_too_short(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPRAG_SECRET", "short")
    app = make_app(secret=None)
    with pytest.raises(StartupError, match="at least 16 characters"):
        app.start()
    with pytest.raises(QueueClosed):
        _ = app.file


async def _identify(connection: Any) -> None: ...


@pytest.mark.parametrize("name", ["identify", "topics"])
@pytest.mark.parametrize("function", ["user", _identify])
def test_a_function_that_tells_nobody(name: str, function: Any, make_app: MakeApp) -> None:
    with pytest.raises(StartupError, match=f"App: {name}: expected a plain function"):
        make_app(**{name: function})


# ---------------------------------------------------------------- schemas


@pytest.mark.parametrize(
    "fields",
    [
        {"a b": Field(int)}, {"class": Field(int)}, {"": Field(int)}, {5: Field(int)},
        {"x": int}, {"x": None}, {"x": Field(print)}, {"x": Field("nonsense")},
        {"x": Field(str, pattern="(")}, {"x": Field(int, min=cast(Any, "a"))},
    ],
)  # fmt: skip
def test_a_schema_that_cannot_work(fields: Any) -> None:
    with pytest.raises(StartupError, match="Schema 'resize': "):
        Schema("resize", fields)


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        (int, {"pattern": "a"}), (int, {"min_length": 1}), (float, {"max_length": 1}),
        (str, {"min": 1}), (list, {"max": 1}), (list[int], {"pattern": "a"}),
    ],
)  # fmt: skip
def test_a_bound_of_another_type(kind: Any, bounds: dict[str, Any]) -> None:
    with pytest.raises(StartupError, match="bounds no "):
        Field(kind, **bounds)


def test_a_field_that_contradicts_itself() -> None:
    with pytest.raises(StartupError, match="expected required=True or a default, got both"):
        Field(int, required=True, default=5)


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_schema_without_a_name(name: Any) -> None:
    with pytest.raises(StartupError, match="Schema: expected a name"):
        Schema(name, {})


# ---------------------------------------------------------------- in a server


def serve(routes: str, database: Path, folder: Path) -> tuple[int, str]:
    """The exit code of a server, and what it said."""
    with child(PROGRAMS / "serving.py", routes, database, folder) as process:
        said, _ = process.communicate(timeout=60)
        return process.returncode, said


def test_a_server_says_the_sentence_and_exits(database: Path, tmp_path: Path) -> None:
    code, said = serve("nowhere_at_all", database, tmp_path)
    assert code != 0
    assert said.count("there is no package 'nowhere_at_all'") == 1
    assert "Traceback" not in said


def test_a_server_shows_what_goes_wrong_inside_a_module_and_exits(
    write_package: WritePackage, database: Path, tmp_path: Path
) -> None:
    package = write_package({"page.py": "1 / 0"})
    code, said = serve(package, database, tmp_path / "import")
    assert code != 0
    assert "ZeroDivisionError" in said
    assert "page.py" in said


def test_a_server_that_cannot_use_its_file_says_so_and_exits(
    write_package: WritePackage, database: Path, tmp_path: Path
) -> None:
    database.write_text("This is no database, but a text that someone wrote. " * 100)
    package = write_package({"page.py": page(), "page.html": ""})
    code, said = serve(package, database, tmp_path / "import")
    assert code != 0
    assert str(database) in said
    assert "Traceback" not in said
