"""The verbs of a Module in JavaScript, in a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import FilePayload, Page, expect
from starlette.responses import JSONResponse, Response

from tests.browser.site import Site
from tests.chromium import Console
from tests.support import wait

Write = Callable[[str, str], Path]


def module(body: str, name: str = "Shown") -> str:
    return (
        f'import {{ Module }} from "./sprag.js";\nexport class {name} extends Module {{\n{body}\n}}'
    )


def test_a_module_has_its_element_and_a_state_of_its_own(
    site: Site, page: Page, write: Write
) -> None:
    body = """
    constructor() { super(); this.step = 1; }
    onStart() {
      this.setState({ count: this.state.count + this.step });
      this.element.id = "mine";
    }
    """
    part = '<section data-module="Shown"><p data-text="count"></p></section>'
    site.show(page, part * 2 + '<b data-text="count">-</b>', write("m.js", module(body)), count=1)
    assert page.locator("p").all_inner_texts() == ["2", "2"]
    assert page.locator("section#mine").count() == 2
    assert page.inner_text("b") == "-"


def test_modules_within_modules_keep_to_their_own_markup(
    site: Site, page: Page, write: Write
) -> None:
    outer = module("onStart() { window.say = (it) => this.setState({ it }); }", "Outer")
    inner = module("onStart() { this.setState({it: 'inner'}); }", "Inner")
    site.show(
        page,
        '<p data-text="it"></p><main data-module="Inner"><b data-text="it"></b></main>',
        write("outer.js", outer),
        write("inner.js", inner),
    )
    page.evaluate("say('outer')")
    assert (page.inner_text("p"), page.inner_text("b")) == ("outer", "inner")


def test_two_modules_do_not_share_the_bodys_markup(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("has another module")
    both = (
        module("", "One")
        + "\nexport default class Two extends Module { onStart() { window.two = 1; } }"
    )
    site.show(page, '<p data-text="it"></p>', write("both.js", both), it="here")
    assert page.inner_text("p") == "here"
    assert page.evaluate("two") == 1


def test_results_of_actions_reach_then_and_failures_catch(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("status of 400", "status of 502")
    fields = [{"field": "a", "type": "missing", "message": "is missing"}]
    error = {"type": "invalid_payload", "message": "wrong", "fields": fields}
    site.actions["fine"] = lambda payload: {"got": payload}
    site.actions["wrong"] = lambda payload: JSONResponse({"ok": False, "error": error}, 400)
    site.actions["proxy"] = lambda payload: Response("<h1>Bad gateway</h1>", 502)
    body = """
    async onStart() {
      const log = window.log = [];
      for (const name of ["fine", "wrong", "proxy"]) {
        await new Promise((done) => {
          const note = (what) => (result) => done(log.push([what, result]));
          this.callAction(name, { a: 1 }).then(note("then")).catch(note("catch"));
        });
        log.push(["await", await this.callAction(name)]);
      }
      const circle = {};
      circle.circle = circle;
      log.push(["await", await this.callAction("fine", circle)]);
      window.done = true;
    }
    """
    site.show(page, "", write("m.js", module(body)))
    page.wait_for_function("() => window.done")
    log = page.evaluate("log.map(([what, result]) => ({what, ...result}))")
    fine = {"ok": True, "status": 200, "error": None}
    assert log[0] == {"what": "then", "value": {"got": {"a": 1}}, **fine}
    assert log[1] == {"what": "await", "value": {"got": {}}, **fine}
    wrong = {"ok": False, "value": None, "status": 400, "error": error}
    assert log[2:4] == [{"what": "catch", **wrong}, {"what": "await", **wrong}]
    assert log[4]["what"] == "catch"
    assert log[4]["error"]["type"] == "network"
    assert "502" in log[4]["error"]["message"]
    assert log[6]["error"]["type"] == "invalid_payload"


def test_a_failure_that_nobody_catches_is_told(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("404", "sprag: action absent failed: unknown_action: no action absent")
    site.show(page, "", write("m.js", module("onStart() { this.callAction('absent'); }")))
    with page.expect_console_message(lambda said: "action absent failed" in said.text):
        page.reload()


def test_a_server_that_is_gone_is_a_result_too(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("ERR_CONNECTION_REFUSED")
    body = "go() { this.callAction('x').catch((r) => this.setState({why: r.error.type})); }"
    html = '<button data-on-click="go">x</button><p data-text="why"></p>'
    site.show(page, html, write("m.js", module(body)))
    site.stop()
    page.click("button")
    expect(page.locator("p")).to_have_text("network")
    site.start()


def test_files_are_sent_as_parts_of_their_field(site: Site, page: Page, write: Write) -> None:
    site.actions["upload"] = lambda payload: {"said": str(payload)}
    body = """
    send(event, target) {
      const payload = { images: target.files, one: target.files[0], size: [1, 2], nothing: [] };
      this.callAction("upload", payload).then(({ value }) => this.setState(value));
    }
    nested(event, target) {
      this.callAction("upload", { deep: { file: target.files[0] } })
        .catch((result) => this.setState({ said: result.error.message }));
    }
    """
    html = (
        '<input id="a" type="file" multiple data-on-change="send"><p data-text="said"></p>'
        '<input id="b" type="file" data-on-change="nested">'
    )
    site.show(page, html, write("m.js", module(body)))
    files: list[FilePayload] = [
        {"name": name, "mimeType": "text/plain", "buffer": name.encode()} for name in ("x", "y")
    ]
    page.set_input_files("#a", files)
    expect(page.locator("p")).to_have_text(
        "{'size': [1, 2], 'nothing': [], 'images': [['x', 'x'], ['y', 'y']], 'one': [['x', 'x']]}"
    )
    page.set_input_files("#b", files[0])
    expect(page.locator("p")).to_contain_text("a file belongs at the top level of a payload")


def test_delegates_hear_of_what_comes_later(site: Site, page: Page, write: Write) -> None:
    body = """
    onStart() {
      const found = (event, target) => this.setState({ id: target.id });
      this.delegate(this.element, "click", ".x", found);
    }
    """
    html = '<main data-module="Shown"><div class="y"></div><p data-text="id"></p></main>'
    site.show(page, html, write("m.js", module(body)))
    page.evaluate("document.querySelector('.y').innerHTML = '<i class=x id=late><b>text</b></i>'")
    page.click("b")
    assert page.inner_text("p") == "late"


def test_timers_run_and_can_be_cancelled(site: Site, page: Page, write: Write) -> None:
    body = """
    onStart() {
      window.ticks = 0;
      this.after(0.01, () => { throw new Error("never: it was cancelled") }).cancel();
      this.after(0.01, () => this.setState({ once: "yes" }));
      const timer = this.every(0.01, () => {
        window.ticks += 1;
        if (ticks === 3) { timer.cancel(); this.after(0.1, () => this.setState({ done: ticks })); }
      });
    }
    """
    html = '<p data-text="once"></p><b data-text="done"></b>'
    site.show(page, html, write("m.js", module(body)))
    expect(page.locator("p")).to_have_text("yes")
    expect(page.locator("b")).to_have_text("3")


def test_a_module_ends_with_its_element(site: Site, page: Page, write: Write) -> None:
    body = """
    onStart() {
      window.log = [];
      this.onSocket("news", () => log.push("signal"));
      this.delegate(document.body, "click", "*", () => log.push("click"));
      this.every(0.001, () => { if (window.stopped) log.push("tick"); });
    }
    onStop() { window.stopped = true; log.push("stop"); }
    """
    html = '<main data-module="Shown"></main><button>x</button>'
    other = module("onStart() { this.onSocket('news', () => { window.news = 1; }); }", "Other")
    part = '<section data-module="Other"></section>'
    site.show(page, html + part, write("m.js", module(body)), write("o.js", other))
    site.wait_for_listener()
    page.evaluate("document.querySelector('main').remove()")
    page.wait_for_function("() => window.stopped")
    site.tell({"signal": "news"})
    page.wait_for_function("() => window.news")
    page.click("button")
    assert page.evaluate("log") == ["stop"]


def test_a_module_ends_with_its_page(site: Site, page: Page, write: Write) -> None:
    ended = threading.Event()
    site.actions["bye"] = lambda payload: ended.set()
    body = """
    onStop() {
      const said = new Blob(["{}"], { type: "application/json" });
      navigator.sendBeacon("/_sprag/actions/bye", said);
    }
    """
    site.show(page, "", write("m.js", module(body)))
    page.goto("about:blank")
    wait(ended, "the module's end")


def test_a_page_that_comes_back_begins_again_with_its_state(
    site: Site, page: Page, write: Write
) -> None:
    body = """
    onStart() {
      this.setState({ starts: this.state.starts + 1 });
      this.onSocket("sprag:queue.job.changed", ({ seq }) => {
        this.setState({ seqs: [...this.state.seqs, seq] });
      });
    }
    """
    html = '<p data-text="starts"></p><b data-text="seqs"></b>'
    site.show(page, html, write("m.js", module(body)), starts=0, seqs=[])
    site.move()
    expect(page.locator("b")).to_have_text("[1]")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    site.move()
    site.move()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(page.locator("b")).to_have_text("[1,2,3]")
    assert page.inner_text("p") == "2"


def test_errors_in_methods_are_told_by_module_and_verb(
    site: Site, page: Page, console: Console, write: Write
) -> None:
    console.expect("sprag: Shown, ")
    body = """
    onStart() {
      this.onSocket("news", this.absent);
      this.after(0, () => { throw new Error("in a timer"); });
      this.after(0, async () => { await null; throw new Error("later"); });
      throw new Error("at the start");
    }
    """
    site.show(page, "<p data-text='it'>", write("m.js", module(body)), it="shown")
    for told in (
        "on news: expected a function as its handler, got undefined",
        "onStart: Error: at the start",
        "a timer: Error: in a timer",
        "a timer: Error: later",
    ):
        if not console.matching(told):
            page.wait_for_event("console", lambda said, told=told: told in said.text)
    assert page.inner_text("p") == "shown"


def test_a_page_without_python_loads_none(site: Site, page: Page, write: Write) -> None:
    site.show(page, "", write("m.js", module("")))
    assert not [path for path in site.asked if "brython" in path or "bridge" in path]
