// @ts-check
/**
 * What sprag runs in a page: modules, actions, live signals, and markup that follows a state.
 *
 * Read top-down: `Module` is what an author writes, `Call` what an action gives back, `Connection`
 * brings the signals, `View` keeps the markup of one module up to date, and the page's start is at
 * the end. Nothing here makes HTML out of data: texts go through textContent, and attributes that
 * could run code are refused.
 *
 * @typedef {{type: string, message: string, fields: {field: string, type: string,
 *   message: string}[]}} ActionError
 * @typedef {{ok: boolean, value: any, status: number, error: ActionError | null}} Result
 * @typedef {Record<string, any>} Signal  `signal` is its name; a job's has a `cursor`
 * @typedef {{cancel: () => void}} Timer  of `after` and `every`
 * @typedef {{url: string, language: string, name: string}} ModuleFile
 * @typedef {{brython: string, bridge: string, runtime: string}} PythonUrls
 * @typedef {{base: string, cursor: string, state: Record<string, any>, modules: ModuleFile[],
 *   python: PythonUrls | null, debug: boolean}} Page  what the server says in #sprag-page
 * @typedef {{value: string | null, files: File[] | null}} Was  of a field, when an event happened
 * @typedef {{event: Event, target: Element, again: boolean, was: Map<Element, Was>}} Held
 * @typedef {{item: unknown, outer: Scope | null}} Scope  where the names in a row are looked up
 * @typedef {(...args: any[]) => any} Handler
 */

/** Code that belongs to an element of the page: subclass it, and export the subclass. */
export class Module {
  /** @type {Set<() => void>} */
  #undo = new Set();
  #running = false;
  /** @type {View | null} */
  #view = null;

  /**
   * @param {HTMLElement} element  the one with data-module="Name", or the page's body
   * @param {Record<string, any>} state  begins as a copy of what the controller's load() gave
   */
  constructor(element = document.body, state = {}) {
    this.element = element;
    this.state = state;
  }

  /** The page is there: subscribe, start timers. @returns {any} */
  onStart() {}

  /** The page goes away, or the element has left it. Timers and subscriptions have ended already.
   * @returns {any} */
  onStop() {}

  /**
   * Call `handler(signal)` for every signal of this name. None comes twice and none is missing,
   * also after the connection was lost, which `sprag:connection.changed` ({online}) reports.
   * @param {string} signal
   * @param {Handler} handler
   */
  onSocket(signal, handler) {
    const run = this._guard(`on ${signal}`, handler);
    this.#undo.add(connection.subscribe(signal, run));
  }

  /**
   * Call an action of the page's server. Fields that are a File, a Blob, a FileList or an array of
   * files are uploaded. `.then(handler)` gets the result if the action succeeded, `.catch(handler)`
   * if it failed; `await` returns it either way, and never throws. Results about one job, and of
   * equal calls, come in the order of the calls; signals of a job after the call that began it.
   * @param {string} name
   * @param {Record<string, any>} [payload]
   */
  callAction(name, payload = {}) {
    return new Call(name, post(name, payload), (handler) =>
      this._guard(`the result of ${name}`, handler));
  }

  /**
   * Change names of the state, and what the page shows of them.
   * @param {Record<string, any>} changes
   */
  setState(changes) {
    Object.assign(this.state, changes);
    this.#view?.render();
  }

  /**
   * Call `handler(event, target)` for events inside `element`, at elements that match `selector`
   * now or later; `target` is the one that matches.
   * @param {Element} element
   * @param {string} event
   * @param {string} selector
   * @param {Handler} handler
   */
  delegate(element, event, selector, handler) {
    const run = this._guard(`on ${event} at ${selector}`, handler);
    element.matches(selector); // throws here if the selector is wrong
    const listener = (/** @type {Event} */ happened) => {
      const origin = happened.target instanceof Element ? happened.target : null;
      const target = origin?.closest(selector);
      if (target && element.contains(target)) run(happened, target);
    };
    element.addEventListener(event, listener);
    this.#undo.add(() => element.removeEventListener(event, listener));
  }

  /**
   * @param {number} seconds
   * @param {Handler} handler
   * @returns {Timer}
   */
  after(seconds, handler) {
    return this.#timer(setTimeout, clearTimeout, seconds, handler);
  }

  /**
   * Like `after`, but repeatedly.
   * @param {number} seconds
   * @param {Handler} handler
   * @returns {Timer}
   */
  every(seconds, handler) {
    return this.#timer(setInterval, clearInterval, seconds, handler);
  }

  /**
   * The method that markup calls `name`. (Not for authors. Python modules have theirs elsewhere.)
   * @param {string} name
   * @returns {Handler | undefined}
   */
  _method(name) {
    const method = /** @type {any} */ (this)[name];
    return typeof method === "function" && !(name in Module.prototype) ? method : undefined;
  }

  /** Bind the markup, if it is this module's, and begin. (Not for authors.) @param {boolean} bind */
  _start(bind) {
    this.#running = true;
    if (bind) {
      this.#view = new View(this);
      this.#view.render();
    }
    this._guard("onStart", this.onStart, (error) => startFailed(this.constructor.name, error))();
  }

  /** End timers, subscriptions and the like. (Not for authors.) */
  _stop() {
    if (!this.#running) return;
    for (const undo of this.#undo) undo();
    this.#undo.clear();
    this._guard("onStop", this.onStop)();
    this.#running = false;
  }

  /**
   * A handler that runs only while its module does, and whose errors go to the console. (Not for
   * authors.)
   * @param {string} what
   * @param {Handler} handler
   * @param {(error: unknown) => void} [failed]
   * @returns {Handler}
   */
  _guard(what, handler, failed) {
    const label = `${this.constructor.name}, ${what}`;
    if (typeof handler !== "function") {
      report(`${label}: expected a function as its handler, got ${handler}; it will not be called`);
      return () => {};
    }
    return async (...args) => {
      // The handler runs at once; only what it awaits may fail later.
      try {
        if (this.#running) await handler.apply(this, args);
      } catch (error) {
        report(`${label}:`, error);
        failed?.(error);
      }
    };
  }

  /**
   * @param {(run: () => void, milliseconds: number) => any} set
   * @param {(id: any) => void} clear
   * @param {number} seconds
   * @param {Handler} handler
   */
  #timer(set, clear, seconds, handler) {
    const run = this._guard("a timer", handler);
    const id = set(() => {
      if (set === setTimeout) this.#undo.delete(cancel);
      run();
    }, seconds * 1000);
    const cancel = () => {
      clear(id);
      this.#undo.delete(cancel);
    };
    this.#undo.add(cancel);
    return { cancel };
  }
}

// Actions

/** A call of an action: says what happens with its result. */
class Call {
  /** @type {{wants: (result: Result) => boolean, run: Handler}[]} */
  #handlers = [];
  /** @type {Result | null} */
  #result = null;
  #guard;

  /**
   * @param {string} name
   * @param {Promise<Result>} answer  never rejects
   * @param {(handler: Handler) => Handler} guard
   */
  constructor(name, answer, guard) {
    this.#guard = guard;
    const handled = answer.then((result) => {
      this.#result = result;
      const wanted = this.#handlers.filter(({ wants }) => wants(result));
      for (const { run } of wanted) run(result);
      if (!result.ok && !wanted.length) reportFailure(name, result);
      return result;
    });
    connection.await(handled);
  }

  /**
   * @param {Handler} handler  called with the result of an action that worked
   * @param {unknown} [rejected]  given by `await`: then the handler gets the result either way
   * @returns {this}
   */
  then(handler, rejected) {
    if (rejected) return this.#add(() => true, handler);
    return this.#add((result) => result.ok, this.#guard(handler));
  }

  /**
   * @param {Handler} handler  called with the result of an action that failed: see its `.error`
   * @returns {this}
   */
  catch(handler) {
    return this.#add((result) => !result.ok, this.#guard(handler));
  }

  /** @param {(result: Result) => boolean} wants @param {Handler} run */
  #add(wants, run) {
    if (!this.#result) this.#handlers.push({ wants, run });
    else if (wants(this.#result)) run(this.#result);
    return this;
  }
}

/** @param {string} name @param {Result} result */
export function reportFailure(name, { error }) {
  const fields = (error?.fields ?? []).map(({ field, message }) => `\n  ${field}: ${message}`);
  report(`action ${name} failed: ${error?.type}: ${error?.message}${fields.join("")}`);
}

/**
 * @param {string} name
 * @param {Record<string, any>} payload
 * @returns {Promise<Result>}
 */
async function post(name, payload) {
  let request;
  try {
    request = encoded(payload);
  } catch (problem) {
    await null; // `await call` adds its handler only after this
    return failure(0, { type: "invalid_payload", message: `${problem}` });
  }
  const { body } = request;
  const like = typeof body === "string" ? `${name} ${body}` : null; // uploads have no order
  return inTurn(payload?.job_id ?? like, send(name, request));
}

/** @param {string} name @param {RequestInit} request @returns {Promise<Result>} */
async function send(name, request) {
  let status = 0;
  try {
    const url = `${page.base}/actions/${encodeURIComponent(name)}`;
    const response = await fetch(url, { method: "POST", ...request });
    status = response.status;
    const { ok, value, error } = await response.json();
    return ok ? { ok, value, status, error: null } : failure(status, error);
  } catch {
    // The browser's console has the details.
    const message = status
      ? `The server answered with status ${status}, not with the result of an action`
      : "The server cannot be reached";
    return failure(status, { type: "network", message });
  }
}

/** @param {number} status @param {Partial<ActionError>} error @returns {Result} */
function failure(status, error) {
  const full = { type: "internal", message: "", fields: [], ...error };
  return { ok: false, value: null, status, error: full };
}

/** @type {Map<unknown, Promise<Result>>} */
const turns = new Map();

/**
 * The answer, once all earlier ones with this key were given, so that the last thing that a page is
 * told is the newest. Without a key, at once. Answers never reject.
 * @param {unknown} key
 * @param {Promise<Result>} answer
 */
function inTurn(key, answer) {
  if (key === null) return answer;
  const turn = turns.get(key)?.then(() => answer) ?? answer;
  turns.set(key, turn);
  turn.then(() => turns.get(key) === turn && turns.delete(key));
  return turn;
}

/** @param {Record<string, any>} payload @returns {{body: BodyInit, headers: HeadersInit}} */
function encoded(payload) {
  /** @type {[string, Blob][]} */
  const files = [];
  /** @type {Record<string, any>} */
  const fields = {};
  for (const [name, value] of Object.entries(payload ?? {})) {
    const list = value instanceof FileList || Array.isArray(value) ? [...value] : [value];
    const isFiles = list.length ? list.every(isFile) : value instanceof FileList;
    if (isFiles) for (const file of list) files.push([name, file]);
    else fields[name] = value;
  }
  const json = JSON.stringify(fields, (name, value) => {
    if (!isFile(value)) return value;
    throw new TypeError(`a file belongs at the top level of a payload, not inside a field (${name})`);
  });
  if (!files.length) return { body: json, headers: { "Content-Type": "application/json" } };
  const form = new FormData();
  form.append("payload", json);
  for (const [name, file] of files) form.append(name, file);
  return { body: form, headers: {} };
}

/** @param {unknown} value */
function isFile(value) {
  return value instanceof Blob;
}

// Signals

const FIRST_RETRY_SECONDS = 0.2;
const LAST_RETRY_SECONDS = 20;
const CONNECT_SECONDS = 10;
const STEADY_SECONDS = 5;
const HOLD_SECONDS = 5;

/** The page's one connection to the server: a WebSocket, or Server-Sent Events if there is none. */
class Connection {
  /** @type {Map<string, Set<Handler>>} */
  #handlers = new Map();
  /** @type {WebSocket | EventSource | null} */
  #link = null;
  /** @type {any} */
  #timer;
  #wanted = false;
  #online = true;
  #sse = false;
  /** Whether a WebSocket has worked on this page. */
  #proven = false;
  /** When this connection was found to work, by performance.now(); 0 if it was not. */
  #opened = 0;
  /** How many connections in a row never worked: then the other kind is tried. */
  #refused = 0;
  /** How many connections in a row did not last: the more, the longer the pause. */
  #failures = 0;
  /** The newest transition, progress and notice that were received. */
  #cursor;
  /** The results of the calls that are under way, each once its handlers have run.
   * @type {Set<Promise<Result>>} */
  #calls = new Set();
  /** Signals of jobs and tasks that such a call may have begun, by id.
   * @type {Map<string, Signal[]>} */
  #held = new Map();

  /** @param {string} base @param {string} cursor */
  constructor(base, cursor) {
    this.base = base;
    this.#cursor = numbers(cursor);
    const openNow = () => {
      this.#failures = 0; // earlier failures say nothing about now
      this.#open();
    };
    addEventListener("online", () => this.#wanted && openNow());
    document.addEventListener("visibilitychange", () => {
      if (this.#wanted && !this.#link && document.visibilityState === "visible") openNow();
    });
  }

  /**
   * The first subscriber opens the connection; the cursor makes up for the time until then.
   * @param {string} signal
   * @param {Handler} handler
   * @returns {() => void}  the end of it
   */
  subscribe(signal, handler) {
    const handlers = this.#handlers.get(signal) ?? new Set();
    this.#handlers.set(signal, handlers.add(handler));
    if (!this.#wanted) {
      this.#wanted = true;
      this.#open();
    }
    return () => handlers.delete(handler);
  }

  /** Close without a signal, because the page goes. A later subscriber opens it again. */
  close() {
    this.#wanted = false;
    this.#hangUp();
  }

  #open() {
    this.#hangUp();
    this.#opened = 0;
    const url = new URL(this.base + (this.#sse ? "/events" : "/socket"), location.href);
    url.search = `?after=${this.#cursor.join(".")}`;
    if (!this.#sse) url.protocol = url.protocol.replace("http", "ws");
    const link = this.#sse ? new EventSource(url) : new WebSocket(url);
    this.#link = link;
    link.onmessage = ({ data }) => link === this.#link && this.#receive(data);
    // An EventSource would try again by itself, but without our cursor, and when it likes.
    const lost = () => link === this.#link && this.#lost();
    if (this.#sse) link.addEventListener("open", () => link === this.#link && this.#works());
    link.addEventListener("error", lost);
    link.addEventListener("close", lost);
    this.#timer = setTimeout(lost, CONNECT_SECONDS * 1000);
  }

  #hangUp() {
    clearTimeout(this.#timer);
    const link = this.#link;
    this.#link = null;
    link?.close();
  }

  #lost() {
    this.#hangUp();
    const lasted = this.#opened && performance.now() - this.#opened > STEADY_SECONDS * 1000;
    this.#failures = lasted ? 0 : this.#failures + 1;
    // Without a network no kind works, so that says nothing about this one.
    if (this.#opened) this.#refused = 0;
    else if (navigator.onLine) this.#refused += 1;
    // A proxy may refuse WebSockets, or the server may only be away: try both in turn. If one has
    // worked before, it is the server; events take one of the few connections to it.
    const turns = this.#proven ? 12 : 3;
    this.#sse = this.#refused ? this.#refused % turns === turns - 1 : this.#sse && !this.#proven;
    this.#setOnline(false);
    const limit = Math.min(FIRST_RETRY_SECONDS * 2 ** this.#failures, LAST_RETRY_SECONDS);
    this.#timer = setTimeout(() => this.#open(), limit * (0.5 + Math.random() / 2) * 1000);
  }

  /** @param {string} text */
  #receive(text) {
    this.#works();
    try {
      /** @type {Signal} */
      const signal = JSON.parse(text);
      if (signal.signal === "sprag:connected") this.#goBack(signal.cursor);
      else if (this.#isNew(signal)) this.#inTurn(signal);
    } catch (error) {
      report("ignored a signal that is not valid:", text, error);
    }
  }

  #works() {
    if (this.#opened) return;
    this.#opened = performance.now();
    this.#proven ||= !this.#sse;
    clearTimeout(this.#timer);
    this.#setOnline(true);
  }

  /**
   * If the server's journal or ticks end before our cursor, its file was replaced, or it was
   * started again: everything that it sends from here on is new.
   * @param {string} cursor
   */
  #goBack(cursor) {
    const theirs = numbers(cursor);
    this.#cursor = this.#cursor.map((ours, part) => Math.min(ours, theirs[part]));
  }

  /** @param {Signal} signal */
  #isNew({ cursor, event, seq }) {
    if (cursor === undefined) return true;
    const part = event === "progress" ? 1 : seq === undefined ? 2 : 0;
    const theirs = numbers(cursor)[part];
    if (theirs <= this.#cursor[part]) return false;
    this.#cursor[part] = theirs;
    return true;
  }

  /** A call began: see `#inTurn`. @param {Promise<Result>} handled */
  await(handled) {
    this.#calls.add(handled);
    handled.then(() => this.#calls.delete(handled));
  }

  /**
   * The page does not know a job before the call that began it is answered, and the job may have
   * ended by then. So signals about it are held until that answer.
   * @param {Signal} signal
   */
  #inTurn(signal) {
    const id = signal.job_id ?? signal.task_id;
    const held = this.#held.get(id);
    if (held) held.push(signal);
    else if (this.#calls.size && (signal.event === "enqueue" || signal.task_id)) {
      this.#held.set(id, [signal]);
      this.#release(id);
    } else this.#deliver(signal);
  }

  /** @param {string} id */
  async #release(id) {
    const calls = [...this.#calls];
    const named = calls.map(async (handled) => {
      if (!JSON.stringify((await handled).value)?.includes(id)) throw id;
    });
    const any = Promise.any(named).catch(() => {}); // none of them: then all are answered
    const late = new Promise((resolve) => setTimeout(resolve, HOLD_SECONDS * 1000));
    await Promise.race([any, late]);
    await new Promise((resolve) => setTimeout(resolve)); // code that awaits the call goes on first
    const held = this.#held.get(id) ?? [];
    this.#held.delete(id);
    for (const signal of held) this.#deliver(signal);
  }

  /** @param {boolean} online */
  #setOnline(online) {
    if (online === this.#online) return;
    this.#online = online;
    this.#deliver({ signal: "sprag:connection.changed", online });
  }

  /** @param {Signal} signal */
  #deliver(signal) {
    for (const handler of [...(this.#handlers.get(signal.signal) ?? [])]) handler(signal);
  }
}

/** @param {string} cursor @returns {number[]}  three of them: transition, progress, notice */
function numbers(cursor) {
  const parts = `${cursor ?? ""}`.split(".");
  return [0, 1, 2].map((part) => Number(parts[part]) || 0);
}

// Markup

const PATH = /^!?(\.|[\w-]+(\.[\w-]+)*)$/;

/** The markup of one module. Each place is changed when its value differs from before. */
class View {
  /** @type {(() => void)[]} */
  #updates = [];
  #module;
  #rendering = false;
  #again = false;

  /** @param {Module} module */
  constructor(module) {
    this.#module = module;
    this.#bind(module.element, null, this.#updates);
  }

  render() {
    // A focus that moves may call a handler, which may call setState: render one after the other.
    this.#again = true;
    if (this.#rendering) return;
    this.#rendering = true;
    try {
      while (this.#again) {
        this.#again = false;
        for (const update of this.#updates) update();
      }
    } finally {
      this.#rendering = false;
    }
  }

  /**
   * @param {Element} element
   * @param {Scope | null} scope
   * @param {(() => void)[]} updates
   */
  #bind(element, scope, updates) {
    if (element.hasAttribute("data-each")) {
      if (element instanceof HTMLTemplateElement) this.#bindEach(element, scope, updates);
      else complain(element, "data-each", "must be on a <template>, whose content is repeated");
      return;
    }
    // Children first: a <select> takes its value once its options are there.
    if (!element.hasAttribute("data-text")) {
      for (const child of [...element.children]) {
        if (!child.hasAttribute("data-module")) this.#bind(child, scope, updates);
      }
    }
    for (const { name, value } of [...element.attributes]) {
      const [, kind, rest] = /^data-(on-|attr-|class-|text$|show$)(.*)$/.exec(name) ?? [];
      if (!kind) {
        const like = misspelt(name);
        if (like) doubt(element, name, `does nothing: did you mean ${like}?`);
        continue;
      }
      if (kind === "on-") {
        this.#bindEvent(element, name, rest ?? "", value);
        continue;
      }
      const read = this.#reader(element, name, scope);
      const apply = read && applier(element, kind, rest ?? "");
      if (!apply) continue;
      /** @type {unknown} */
      let last = apply; // equal to no value
      updates.push(() => {
        const raw = read();
        const now = kind === "show" || kind === "class-" ? isTrue(raw) : plain(raw);
        if (now === last) return;
        last = now;
        try {
          apply(now);
        } catch (error) {
          complain(element, name, `cannot show its value: ${error}`);
        }
      });
    }
  }

  /** @param {Element} element @param {string} attribute @param {string} event
   * @param {string} name */
  #bindEvent(element, attribute, event, name) {
    const module = this.#module;
    const method = module._method(name);
    if (!method) {
      const like = asked(name, methodsOf(module));
      complain(element, attribute,
        `names a method that ${module.constructor.name} does not have${like}`);
      return;
    }
    const own = event.includes("-") || event.includes(":");
    if (!own && !(`on${event}` in element) && !RARE.includes(event)) {
      const like = asked(event, eventsOf(element));
      if (like) doubt(element, attribute, `is not an event of browsers${like}`);
    }
    const run = module._guard(`${attribute}="${name}"`, method);
    element.addEventListener(event, (happened) => run(happened, element));
  }

  /**
   * @param {HTMLTemplateElement} template
   * @param {Scope | null} scope
   * @param {(() => void)[]} updates
   */
  #bindEach(template, scope, updates) {
    const read = this.#reader(template, "data-each", scope);
    if (!read) return;
    const key = template.getAttribute("data-key");
    /** @typedef {{first: ChildNode, last: ChildNode, scope: Scope, updates: (() => void)[]}} Row */
    /** @type {Map<unknown, Row>} */
    let rows = new Map();
    let complained = false;

    /** @param {string} problem */
    const complainOnce = (problem) => {
      if (!complained) complain(template, "data-each", problem);
      complained = true;
    };

    /** @param {unknown} item @returns {Row} */
    const newRow = (item) => {
      const content = document.importNode(template.content, true);
      /** @type {Row} */
      const row = { scope: { item, outer: scope }, updates: [], first: template, last: template };
      for (const child of [...content.children]) this.#bind(child, row.scope, row.updates);
      // Empty text nodes mark where a row begins and ends, whatever lists inside it add.
      content.prepend((row.first = document.createTextNode("")));
      content.append((row.last = document.createTextNode("")));
      return row;
    };

    updates.push(() => {
      const value = read() ?? [];
      if (!Array.isArray(value)) complainOnce(`must name a list, but the state has a ${typeof value}`);
      /** @type {Map<unknown, Row>} */
      const next = new Map();
      for (const [index, item] of (Array.isArray(value) ? value : []).entries()) {
        let id = key ? walk(item, key.split(".")) : index;
        if (id === undefined || next.has(id)) {
          complainOnce(`has items whose ${key} is missing or not unique`);
          id = `${index} of its place`;
        }
        const row = rows.get(id) ?? newRow(item);
        row.scope.item = item;
        next.set(id, row);
      }
      const focused = document.activeElement;
      for (const [id, row] of rows) if (!next.has(id)) for (const node of nodes(row)) node.remove();
      /** @type {ChildNode} */
      let previous = template;
      for (const row of next.values()) {
        if (previous.nextSibling !== row.first) previous.after(...nodes(row));
        previous = row.last;
        for (const update of row.updates) update();
      }
      rows = next;
      const kept = focused instanceof HTMLElement && focused.isConnected ? focused : null;
      if (kept && kept !== document.activeElement) kept.focus({ preventScroll: true });
    });
  }

  /** Where a path begins: in the innermost item that has its first name, or in the state.
   * @param {Scope | null} scope @param {string | undefined} name @returns {any} */
  #rootOf(scope, name) {
    for (let at = scope; at; at = at.outer) if (has(at.item, name)) return at.item;
    return this.#module.state;
  }

  /**
   * Report a path that names nothing, once: if it is misspelt, it would never show anything.
   * @param {Element} element
   * @param {string} attribute
   * @param {Scope | null} scope
   * @param {string[]} names
   */
  #wonder(element, attribute, scope, names) {
    let found = this.#rootOf(scope, names[0]);
    for (const name of names) {
      if (has(found, name)) {
        found = found[name];
        continue;
      }
      if (typeof found !== "object" || found === null) return; // there is nothing yet to look into
      const keys = Object.keys(found);
      if (found === this.#module.state) {
        for (let at = scope; at; at = at.outer) keys.unshift(...Object.keys(at.item ?? {}));
      }
      const where = found === this.#module.state ? "the state" : "what it begins with";
      const has_ = keys.length ? `has ${[...new Set(keys)].slice(0, 20).join(", ")}` : "is empty";
      doubt(element, attribute,
        `shows nothing: there is no "${name}" in ${where}, which ${has_}${asked(name, keys)}`);
      return;
    }
  }

  /**
   * @param {Element} element
   * @param {string} attribute
   * @param {Scope | null} scope
   * @returns {(() => unknown) | undefined}
   */
  #reader(element, attribute, scope) {
    const path = (element.getAttribute(attribute) ?? "").trim();
    if (!PATH.test(path)) {
      complain(element, attribute, "must be names with dots between them, as in job.error.message");
      return undefined;
    }
    const names = path.replace("!", "").split(".");
    let wondered = false;
    const read = () => {
      if (names[0] === "") return scope?.item; // "." is the item itself
      const value = walk(this.#rootOf(scope, names[0]), names);
      if (value === undefined && !wondered) {
        wondered = true;
        // Not at once: the module may be about to set it.
        whenReady(() => this.#wonder(element, attribute, scope, names));
      }
      return value;
    };
    return path.startsWith("!") ? () => !isTrue(read()) : read;
  }
}

/** What a module may also have been meant to be called. @param {Module} module */
function methodsOf(module) {
  const names = [];
  for (let at = module; at && at !== Module.prototype; at = Object.getPrototypeOf(at)) {
    names.push(...Object.getOwnPropertyNames(at));
  }
  return names.filter((name) => module._method(name));
}

/** The nodes of a row, from its first to its last. @param {{first: Node, last: Node}} row */
function nodes({ first, last }) {
  // A new row is still in its fragment, an old one in the page: siblings in both.
  const found = [/** @type {ChildNode} */ (first)];
  for (let node = first; node !== last && node.nextSibling; ) found.push((node = node.nextSibling));
  return found;
}

/** @param {unknown} value @param {string | undefined} name */
function has(value, name) {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name ?? "");
}

/** @param {unknown} value @param {string[]} names */
function walk(value, names) {
  for (const name of names) value = has(value, name) ? /** @type {any} */ (value)[name] : undefined;
  return value;
}

/** As Python has it: nothing, zero, and whatever is empty are false. @param {unknown} value */
function isTrue(value) {
  if (typeof value !== "object" || value === null) return Boolean(value);
  return Object.keys(value).length > 0;
}

/** What a place in the page can show of a value. @param {unknown} value */
function plain(value) {
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return value ?? null;
}

/** @param {Element} element @param {string} kind @param {string} name
 * @returns {((value: any) => void) | undefined} */
function applier(element, kind, name) {
  const refused = kind === "text" ? refusedText(element) : refusedAttribute(element, name);
  if (refused && !/show|class/.test(kind)) {
    complain(element, `data-${kind}${name}`, refused);
    return undefined;
  }
  if (kind === "text") return (value) => void (element.textContent = `${value ?? ""}`);
  if (kind === "class-") return (value) => void element.classList.toggle(name, value);
  if (kind === "attr-") return (value) => setAttribute(element, name, value);
  const { style } = /** @type {HTMLElement} */ (element);
  return (value) => {
    element.toggleAttribute("hidden", !value);
    // A rule such as `.row { display: flex }` is stronger than the attribute.
    if (value) style.removeProperty("display");
    else style.setProperty("display", "none", "important");
  };
}

// What data may not do

const ACTIVE = /^(script|style|base|link|meta|object|embed|animate\w*|set)$/i;
const URLS = /^((xlink:)?href|src|action|formaction|poster|data|ping|background|codebase)$/;
const SCHEMES = ["http:", "https:", "mailto:", "tel:"];

/** @param {Element} element */
export function refusedText(element) {
  return ACTIVE.test(element.localName) ? `is refused on <${element.localName}>` : "";
}

/** Why data must not choose this attribute, or "". @param {Element} element @param {string} name */
function refusedAttribute(element, name) {
  if (/^on|^srcdoc$|^style$/.test(name)) return `is refused: data may not choose ${name}`;
  return refusedText(element);
}

/**
 * Set an attribute, or the property that people mean by it. null and false remove it, true makes
 * it empty.
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
export function setAttribute(element, name, value) {
  name = name.toLowerCase();
  const refused = refusedAttribute(element, name) || refusedUrl(name, value);
  if (refused) {
    complain(element, `${name} from data`, refused);
    element.removeAttribute(name);
  } else if (name === "value" && /^(input|textarea|select)$/.test(element.localName)) {
    /** @type {HTMLInputElement} */ (element).value = `${value ?? ""}`;
  } else if (/^(checked|selected)$/.test(name) && name in element) {
    /** @type {any} */ (element)[name] = Boolean(value);
  } else if (typeof value === "boolean" && name.startsWith("aria-")) {
    element.setAttribute(name, `${value}`);
  } else if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : `${value}`);
  }
}

/** @param {string} name @param {any} value */
function refusedUrl(name, value) {
  if (!URLS.test(name) || !value || value === true) return "";
  let scheme = "";
  try {
    scheme = new URL(`${value}`, document.baseURI).protocol;
  } catch {
    return "is refused: it is not a valid URL";
  }
  // The page made a blob: URL itself, such as the preview of a dropped image.
  if (SCHEMES.includes(scheme) || (scheme === "blob:" && name === "src")) return "";
  return `is refused: ${scheme} is not allowed there`;
}

// The console

/** @param {string} message @param {unknown[]} more */
function report(message, ...more) {
  console.error(`sprag: ${message}`, ...more);
}

/** @param {Element} element @param {string} attribute @param {string} problem */
function complain(element, attribute, problem) {
  report(`${written(element, attribute)} ${problem}`);
}

/** Like `complain`, but about something that may be right. @param {Element} element
 * @param {string} attribute @param {string} problem */
function doubt(element, attribute, problem) {
  console.warn(`sprag: ${written(element, attribute)} ${problem}`);
}

/** An element as a person finds it in the markup. @param {Element} element @param {string} [name] */
function written(element, name = "") {
  const part = (/** @type {Element} */ at, /** @type {string} */ attribute) =>
    at.hasAttribute(attribute) ? ` ${attribute}="${at.getAttribute(attribute)}"` : "";
  const around = element.id ? null : element.parentElement?.closest("[id]");
  const tag = `<${element.localName}${part(element, "id")}${part(element, "class")}>`;
  const place = around ? ` in <${around.localName}${part(around, "id")}>` : "";
  return `${tag}${place}${part(element, name) || ` ${name}`}`.trimEnd();
}

// Names that are misspelt

const RARE = ["focusin", "focusout", "compositionstart", "compositionupdate", "compositionend",
  "DOMContentLoaded", "gesturestart", "gesturechange", "gestureend"];

/** The events that a browser has of itself. @param {Element} element */
function eventsOf(element) {
  const found = [...RARE];
  for (const name in element) if (name.startsWith("on")) found.push(name.slice(2));
  return found;
}

/** The name that is meant by an attribute that is much like one of ours. @param {string} name */
function misspelt(name) {
  const [, head, rest] = /^data-([a-z]+)(-.+)?$/.exec(name) ?? [];
  if (!head) return "";
  const ours = rest ? ["attr", "class", "on"] : ["text", "show", "each", "module"];
  if (ours.includes(head)) return "";
  // A changed letter does not count: data-test and data-next are names that people use.
  const letters = (/** @type {string} */ word) => [...word].sort().join("");
  const meant = ours.find((one) => one.length > 2 && distance(head, one) === 1 &&
    (one.length !== head.length || letters(one) === letters(head)));
  return meant ? `data-${meant}${rest ?? ""}` : "";
}

/** A question, if one of the names is much like this one. @param {string} name
 * @param {string[]} known */
function asked(name, known) {
  const close = known
    .map((one) => ({ one, far: distance(name.toLowerCase(), one.toLowerCase()) }))
    .filter(({ one, far }) => far <= (Math.min(one.length, name.length) > 4 ? 2 : 1))
    .sort((one, other) => one.far - other.far)[0];
  return close ? `; did you mean ${close.one}?` : "";
}

/** How many letters were left out, added, changed or swapped. @param {string} one
 * @param {string} other */
function distance(one, other) {
  if (Math.abs(one.length - other.length) > 2) return 3;
  /** @type {number[][]} */
  const rows = [[...Array(other.length + 1).keys()]];
  for (let i = 1; i <= one.length; i += 1) {
    const row = (rows[i] = [i]);
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1];
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
        row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[one.length][other.length];
}

// The page

/** @type {Page} */
const page = {
  base: "/_sprag",
  cursor: "0.0.0",
  state: {},
  modules: [],
  python: null,
  debug: false,
  ...JSON.parse(document.getElementById("sprag-page")?.textContent || "{}"),
};
const connection = new Connection(page.base, page.cursor);
/** @type {Set<Module>} */
const running = new Set();

/**
 * Start a module's class on each of its elements. Two modules cannot share the markup of the body:
 * it belongs to the first.
 * @param {typeof Module} kind
 * @param {string} name
 */
export function start(kind, name) {
  const own = document.querySelectorAll(`[data-module="${CSS.escape(name)}"]`);
  for (const found of own.length ? own : [document.body]) {
    const element = /** @type {HTMLElement} */ (found);
    const bind = ![...running].some((module) => module.element === element);
    if (!bind) complain(element, "data-module", `already has another module: markup cannot use ${name}`);
    try {
      const state = structuredClone(page.state);
      // An author's constructor may not have passed these on.
      const module = Object.assign(new kind(element, state), { element, state });
      running.add(module);
      module._start(bind);
    } catch (error) {
      report(`${name} could not be started:`, error);
      startFailed(name, error);
    }
  }
}

async function startPage() {
  const python = page.modules.filter(({ language }) => language === "python");
  const scripts = page.modules.filter(({ language }) => language === "javascript");
  const failed = (/** @type {string} */ what) => (/** @type {unknown} */ error) => {
    report(`${what} could not be loaded:`, error);
    startFailed(what, error);
  };
  const loading = scripts.map(async ({ url }) => {
    for (const [name, kind] of Object.entries(await import(url))) {
      if (kind?.prototype instanceof Module) start(kind, name === "default" ? kind.name : name);
    }
  });
  if (python.length && page.python) {
    const urls = page.python;
    loading.push(import(urls.bridge).then((bridge) => bridge.startPython(urls, python, sprag)));
  }
  await Promise.all(loading.map((one, at) => one.catch(failed(scripts[at]?.url ?? "Python"))));
  const started = [...running].map(({ element }) => element);
  for (const element of document.querySelectorAll("[data-module]")) {
    if (!started.includes(/** @type {HTMLElement} */ (element))) {
      complain(element, "data-module", "names a module that this page does not have");
    }
  }
  sendAgain();
  isReady = true;
  for (const run of later.splice(0)) run();
  if (!hasFailed) mark("ready");
}

// What people did before the modules had started

/** @type {WeakMap<Event, Map<Element, Was>>} */
const replayed = new WeakMap();

/**
 * What was in a field when an event happened that is replayed only now.
 * @param {Event} event
 * @param {Element} element
 * @returns {Was | undefined}
 */
function wasThen(event, element) {
  return replayed.get(event)?.get(element);
}

function sendAgain() {
  const early = /** @type {any} */ (globalThis).spragEarly;
  /** @type {Held[]} */
  const held = early?.take() ?? [];
  let lost = early?.lost ?? 0;
  for (const { event, target, again, was } of held) {
    if (!running.size || !target.isConnected) {
      lost += 1;
      continue;
    }
    try {
      if (event instanceof SubmitEvent && target instanceof HTMLFormElement) {
        const { submitter } = event; // which may have left the form
        const own = submitter instanceof HTMLElement && [...target.elements].includes(submitter);
        target.requestSubmit(own ? submitter : null);
        continue;
      }
      const copy = again || event.type !== "click" ? copied(event, was.get(target)) : plainClick();
      replayed.set(copy, was);
      target.dispatchEvent(copy);
    } catch (error) {
      lost += 1;
      report(`could not replay an early ${event.type} of ${written(target)}:`, error);
    }
  }
  if (lost) report(`events from before the page had started were dropped: ${lost}`);
}

/** @param {Event} event @param {Was | undefined} was @returns {Event} */
function copied(event, was) {
  const kind = /** @type {typeof Event} */ (event.constructor);
  if (!(event instanceof DragEvent)) return new kind(event.type, event);
  const dataTransfer = new DataTransfer(); // that of the event is empty by now
  for (const file of was?.files ?? []) dataTransfer.items.add(file);
  const { bubbles, cancelable, clientX, clientY } = event;
  return new DragEvent(event.type, { bubbles, cancelable, clientX, clientY, dataTransfer });
}

/** A click for handlers only: it is not a MouseEvent, so no checkbox changes a second time. */
function plainClick() {
  return new Event("click", { bubbles: true, cancelable: true });
}

// What people see of the start

let hasFailed = false;
let isReady = false;
/** @type {(() => void)[]} */
const later = [];

/** Call it once the page has started, and not now. @param {() => void} run */
function whenReady(run) {
  if (isReady) setTimeout(run);
  else later.push(run);
}

/** @param {"ready" | "failed"} state */
function mark(state) {
  document.documentElement.setAttribute("data-sprag", state);
  document.dispatchEvent(new CustomEvent(`sprag:${state}`));
}

/**
 * Say that a module could not be started: to styles and tests by the page's mark, and during
 * development to its author by a notice in the page.
 * @param {string} what
 * @param {unknown} error
 */
function startFailed(what, error) {
  const first = !hasFailed;
  hasFailed = true;
  if (first) mark("failed");
  const local = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  if (!page.debug && !local) return;
  const { message, stack, name } = error instanceof Error ? error : new Error(`${error}`);
  const trace = stack?.includes(message) ? stack : `${name}: ${message}\n${stack ?? ""}`;
  let notice = document.getElementById("sprag-failed");
  if (!notice) {
    notice = document.createElement("section");
    notice.id = "sprag-failed";
    notice.setAttribute("role", "alert");
    Object.assign(notice.style, {
      position: "fixed", inset: "auto 1rem 1rem", maxHeight: "60vh", overflow: "auto",
      padding: "1rem", zIndex: "2147483647", font: "14px/1.5 ui-monospace, monospace",
      background: "#fff", color: "#111", border: "2px solid #c0262d", borderRadius: "8px",
    });
    document.body.append(notice);
  }
  const title = document.createElement("strong");
  title.textContent = `${what} could not be started`;
  const text = document.createElement("pre");
  text.textContent = trace.trim();
  Object.assign(text.style, { whiteSpace: "pre-wrap", margin: "0.5rem 0", background: "none" });
  notice.append(title, text);
}

/** What the bridge uses, so that it need not know this file's hashed name. */
const sprag = {
  Module, start, startFailed, setAttribute, refusedText, reportFailure, wasThen,
};

new MutationObserver(() => {
  for (const module of running) {
    if (module.element.isConnected) continue;
    running.delete(module);
    module._stop();
  }
}).observe(document, { childList: true, subtree: true });

addEventListener("pagehide", () => {
  for (const module of running) module._stop();
  connection.close();
});
// The browser brings the page back from its cache, as it was left.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) for (const module of running) module._start(false);
});

startPage();
