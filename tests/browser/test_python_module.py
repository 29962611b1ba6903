"""The verbs of a Module in Python, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect
from starlette.responses import JSONResponse

from sprag.browser.check import check
from sprag.browser.python import Element, Module
from tests.browser.site import Site
from tests.chromium import Console

Write = Callable[[str, str], Path]


def test_handlers_take_the_arguments_they_have_parameters_for(
    site: Site, page: Page, write: Write
) -> None:
    source = """
        from sprag import Module

        class Shown(Module):
            seen = []

            def on_start(self):
                self.delegate(self.element, "pick", "i", lambda: self.see("none"))
                self.delegate(self.element, "pick", "i", lambda event: self.see(event.type))
                self.delegate(self.element, "pick", "i", lambda event, target: self.see(target.tag))
                self.delegate(self.element, "pick", "i", lambda *both: self.see(len(both)))

            def see(self, what):
                self.seen.append(what)
                self.set_state({"seen": self.seen})

            def none(self):
                self.see("none")

            def one(self, event):
                self.see(event.target.attributes["id"])

            def both(self, event, target):
                self.see(target.attributes["id"])

            async def later(self, event, target):
                from browser import aio
                await aio.sleep(0)
                self.see("later")
        """
    html = (
        '<button id="0" data-on-click="none"></button><button id="1" data-on-click="one"></button>'
        '<button id="2" data-on-click="both"></button><i></i>'
        '<button id="3" data-on-click="later"></button><p data-text="seen"></p>'
    )
    site.show(page, html, write("m.py", source))
    for number in range(3):
        page.evaluate(f"document.querySelectorAll('button')[{number}].click()")
    assert page.inner_text("p") == '["none","1","2"]'
    page.evaluate("document.querySelector('i').dispatchEvent(new Event('pick', {bubbles: true}))")
    assert page.inner_text("p") == '["none","1","2","none","pick","i",2]'
    page.evaluate("document.querySelectorAll('button')[3].click()")
    expect(page.locator("p")).to_contain_text("later")


def test_results_of_actions_reach_then_and_failures_catch(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("400", "sprag: action wrong failed: invalid_payload: nope\n  a: is missing")
    fields = [{"field": "a", "type": "missing", "message": "is missing"}]
    error = {"type": "invalid_payload", "message": "nope", "fields": fields}
    site.actions["fine"] = lambda payload: payload
    site.actions["wrong"] = lambda payload: JSONResponse({"ok": False, "error": error}, 400)
    source = """
        from sprag import Module

        class Shown(Module):
            def on_start(self):
                sent = {"a": [1, 2.5, None, True, (1,)], "b": {"c": "é"}}
                self.call_action("fine", sent).then(self.fine).catch(self.never)
                call = self.call_action("wrong")
                assert call.then(self.never).catch(self.wrong) is call
                self.call_action("wrong").then(self.never)

            def never(self, result):
                raise AssertionError(result)

            def fine(self, result):
                self.set_state({"fine": [result.ok, result.status, result.error, result.value]})

            def wrong(self, result):
                error = result.error
                self.set_state({"wrong": [result.ok, result.status, error.type, error.message,
                                          error.fields[0]["field"], str(result.value)]})
        """
    with page.expect_console_message(lambda said: "action wrong failed" in said.text):
        site.show(page, '<p data-text="fine"></p><b data-text="wrong"></b>', write("m.py", source))
    expect(page.locator("p")).to_have_text(
        '[true,200,null,{"a":[1,2.5,null,true,[1]],"b":{"c":"é"}}]'
    )
    expect(page.locator("b")).to_have_text('[false,400,"invalid_payload","nope","a","None"]')
    assert len(console.matching("sprag: action wrong failed")) == 1


def test_files_can_be_chosen_and_dropped_and_sent(site: Site, page: Page, write: Write) -> None:
    site.actions["upload"] = lambda payload: {"said": str(payload)}
    source = """
        from sprag import Module

        class Shown(Module):
            def chosen(self, event):
                self.send(event.files)

            def dropped(self, event):
                event.prevent_default()
                self.send(event.files)

            def send(self, files):
                names = [f"{file.name} {file.size} {file.type}" for file in files]
                self.set_state({"names": names})
                payload = {"images": files, "one": files[0], "kind": "image"}
                self.call_action("upload", payload).then(self.sent)

            def sent(self, result):
                self.set_state(result.value)
        """
    html = (
        '<input type="file" multiple data-on-change="chosen"><div data-on-drop="dropped">here</div>'
        '<p data-text="said"></p><b data-text="names"></b>'
    )
    site.show(page, html, write("m.py", source))
    files: list[FilePayload] = [
        {"name": name, "mimeType": "text/plain", "buffer": name.encode()} for name in ("x", "yy")
    ]
    page.set_input_files("input", files)
    expect(page.locator("p")).to_have_text(
        "{'kind': 'image', 'images': [['x', 'x'], ['yy', 'yy']], 'one': [['x', 'x']]}"
    )
    assert page.inner_text("b") == '["x 1 text/plain","yy 2 text/plain"]'
    refused = page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["z"], "z.txt"));
            const drop = new DragEvent("drop", {dataTransfer, cancelable: true, bubbles: true});
            return !document.querySelector("div").dispatchEvent(drop);
        }"""
    )
    assert refused
    expect(page.locator("p")).to_have_text(
        "{'kind': 'image', 'images': [['z.txt', 'z']], 'one': [['z.txt', 'z']]}"
    )


def test_elements_are_handles_without_html(site: Site, page: Page, write: Write) -> None:
    source = """
        from sprag import Module

        class Shown(Module):
            def on_start(self):
                form = self.element.query("form")
                field, box = form.query_all("input")
                assert (form.tag, field.value, box.checked) == ("form", "first", False)
                assert form.query("nothing") is None and form.query_all("nothing") == []
                assert field.closest("form") == form and {form: 1}[field.closest("form")] == 1
                assert field != box and field.closest("nothing") is None
                field.value = "second"
                box.checked = True
                assert (field.value, box.checked) == ("second", True)
                assert field.attributes["name"] == "f" and "x" not in field.attributes
                assert field.attributes.get("x", "y") == "y" and "name" in list(field.attributes)
                field.attributes["title"] = 1
                assert field.attributes["title"] == "1"
                del field.attributes["title"]
                field.attributes["required"] = True
                assert field.attributes["required"] == "" and "title" not in field.attributes
                assert form.dataset["job_id"] == "a1" and list(form.dataset) == ["job-id"]
                form.dataset["job_id"] = "a2"
                assert form.attributes["data-job-id"] == "a2"
                form.classes.add("x", "y")
                form.classes.remove("y")
                assert "x" in form.classes and list(form.classes) == ["x"]
                assert form.classes.toggle("x") is False and form.classes.toggle("z", True) is True
                assert form.text.strip() == "text"
                field.focus()
                self.element.query("aside").remove()
                for wrong in (lambda: field.attributes["x"], lambda: form.query("[")):
                    try:
                        wrong()
                    except (KeyError, ValueError):
                        pass
                    else:
                        raise AssertionError
                self.set_state({"done": "all of it"})
        """
    html = (
        '<form data-job-id="a1">text<input name="f" value="first"><input type="checkbox"></form>'
        '<aside></aside><p data-text="done"></p>'
    )
    site.show(page, html, write("m.py", source))
    assert page.inner_text("p") == "all of it"
    assert page.evaluate("document.activeElement.name") == "f"
    assert page.locator("aside").count() == 0


def test_events_say_what_happened(site: Site, page: Page, write: Write) -> None:
    source = """
        from sprag import Module

        class Shown(Module):
            def typed(self, event):
                self.set_state({"said": f"{event.type} {event.key} {event.value}"})
                if event.key == "Enter":
                    event.prevent_default()
                    event.stop_propagation()

            def outer(self, event):
                self.set_state({"outer": event.key})
        """
    html = (
        '<form data-on-keydown="outer"><input data-on-keydown="typed"></form>'
        '<p data-text="said"></p><b data-text="outer"></b>'
    )
    site.show(page, html, write("m.py", source))
    page.type("input", "ab")
    assert (page.inner_text("p"), page.inner_text("b")) == ("keydown b a", "b")
    page.press("input", "Enter")
    assert (page.inner_text("p"), page.inner_text("b")) == ("keydown Enter ab", "b")
    assert page.url == site.url  # a form that was sent would have added a "?"


def test_timers_signals_and_the_end_of_a_module(site: Site, page: Page, write: Write) -> None:
    source = """
        from sprag import Module

        class Shown(Module):
            def __init__(self):
                self.ticks = 0

            def on_start(self):
                self.on_socket("news", self.news)
                self.after(0.01, self.never).cancel()
                self.timer = self.every(0.01, self.tick)

            def never(self):
                raise AssertionError

            def tick(self):
                self.ticks += 1
                if self.ticks == 3:
                    self.timer.cancel()
                    self.after(0.1, self.done)

            def done(self):
                self.set_state({"ticks": self.ticks})

            def news(self, data):
                self.set_state({"news": data["what"]})

            def on_stop(self):
                from browser import window
                window.stopped = self.ticks
        """
    html = '<main data-module="Shown"><p data-text="ticks"></p><b data-text="news"></b></main>'
    site.show(page, html, write("m.py", source))
    expect(page.locator("p")).to_have_text("3")
    site.wait_for_listener()
    site.tell({"signal": "news", "what": {"a": [None]}})
    expect(page.locator("b")).to_have_text('{"a":[null]}')
    page.evaluate("document.querySelector('main').remove()")
    page.wait_for_function("() => window.stopped === 3")


def test_a_page_that_comes_back_begins_again_with_its_state(
    site: Site, page: Page, write: Write
) -> None:
    source = """
        from sprag import Module

        class Shown(Module):
            def on_start(self):
                self.set_state({"starts": self.state["starts"] + 1})

            def on_click(self):
                self.set_state({"starts": self.state["starts"] + 10})
        """
    html = '<p data-text="starts"></p><button data-on-click="on_click">x</button>'
    site.show(page, html, write("m.py", source), starts=0)
    page.click("button")
    assert page.inner_text("p") == "11"
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    page.click("button")
    assert page.inner_text("p") == "11"
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    page.click("button")
    assert page.inner_text("p") == "22"


def test_an_error_shows_pythons_traceback_and_the_page_goes_on(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("Traceback")
    source = """\
        from sprag import Module

        class Shown(Module):
            def on_start(self):
                self.after(0, self.soon)
                self.missing()

            def soon(self):
                return {}["soon"]

            def on_click(self, event):
                self.set_state({"it": "on"})
                self.state["nothing"]

            async def on_later(self):
                raise ValueError("later")

            def on_set(self):
                self.set_state({"it": {1, 2}})
        """
    html = (
        '<button id="a" data-on-click="on_click">x</button><p data-text="it"></p>'
        '<button id="b" data-on-click="on_later">x</button>'
        '<button id="c" data-on-click="on_set">x</button>'
    )
    site.show(page, html, write("upload_module.py", source))
    for selector in ("#a", "#b", "#c"):
        page.click(selector)
    assert page.inner_text("p") == "on"

    def told(*parts: str) -> None:
        def matches(error: str) -> bool:
            return all(part in error for part in parts)

        if not any(matches(error) for error in console.errors):
            page.wait_for_event("console", lambda said: matches(said.text))

    told('File "upload_module.py", line 6, in on_start', "AttributeError", "missing")
    told('File "upload_module.py", line 9, in soon', "KeyError: 'soon'")
    told('File "upload_module.py", line 13, in on_click', "KeyError: 'nothing'")
    told('File "upload_module.py", line 16, in on_later', "ValueError: later")
    told(
        'File "upload_module.py", line 19, in on_set',
        "changes['it'] is a set, which JSON cannot hold",
    )
    assert len(console.errors) == 5


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("import requests", "No module named 'requests'"),
        ("__import__('requests')", "No module named 'requests'"),
        ("from browser import timer", "timer"),
        ("from sprag import QueueService", "cannot import name 'QueueService'"),
        ("from .other import thing", "attempted relative import"),
        ("x = ", "SyntaxError"),
    ],
)
def test_what_cannot_be_imported_is_told_without_asking_the_server(
    site: Site, page: Page, console: Console, write: Write, line: str, told: str
) -> None:
    console.expect("Traceback")
    other = write(
        "other.py",
        """
        from sprag import Module

        class Other(Module):
            def on_start(self):
                self.set_state({"it": "runs"})
        """,
    )
    wrong = write("wrong.py", f"from sprag import Module\n{line}\n")
    site.show(page, '<p data-text="it"></p>', wrong, other)
    assert page.inner_text("p") == "runs"
    assert console.matching(told), console.errors
    assert 'File "wrong.py", line 2' in console.errors[0]
    assert all(path.startswith("/_sprag/") for path in site.asked), site.asked


def test_typed_modules_run(site: Site, page: Page, write: Write) -> None:
    source = """
        from __future__ import annotations

        from typing import TYPE_CHECKING, Any, cast

        from sprag import Element, Event, Module

        if TYPE_CHECKING:
            from collections.abc import Mapping

        class Shown(Module):
            jobs: dict[str, Any]

            def on_start(self) -> None:
                self.jobs = {}
                self.show({"it": cast(str, "typed")})

            def show(self, changes: Mapping[str, Any]) -> None:
                self.set_state(dict(changes))
        """
    path = write("typed.py", source)
    assert check(path).classes == {"Shown": frozenset(["show"])}
    site.show(page, '<p data-text="it"></p>', path)
    assert page.inner_text("p") == "typed"


def test_a_class_with_an_underscore_is_for_others_to_derive_from(
    site: Site, page: Page, write: Write
) -> None:
    source = """
        from sprag import Module

        class _Base(Module):
            def on_start(self):
                self.set_state({"it": type(self).__name__})

        class Shown(_Base):
            pass
        """
    path = write("m.py", source)
    site.show(page, '<p data-text="it"></p>', path)
    assert page.inner_text("p") == "Shown"
    assert list(check(path).classes) == ["Shown"]


def test_on_a_server_the_verbs_refuse_to_work() -> None:
    module = Module()
    with pytest.raises(RuntimeError, match="a Module runs in the browser"):
        module.call_action("x")
    with pytest.raises(RuntimeError, match="a Module runs in the browser"):
        module.on_socket("x", print)
    with pytest.raises(RuntimeError, match="a Module runs in the browser"):
        module.set_state({})
    with pytest.raises(RuntimeError, match="a Module runs in the browser"):
        Element(1).text = "x"
