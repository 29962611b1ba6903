// @ts-check
/**
 * Modules in Python: this starts Brython, and stands between its modules and sprag.js.
 *
 * Everything goes as JSON text through two functions, one each way: `receive` is Python's, `call`
 * is the page's. Nothing here knows Brython; another Python would replace brython.js.
 *
 * @typedef {import("../page/module.js").Module} PageModule
 * @typedef {import("../page/types.js").ModuleFile} ModuleFile
 * @typedef {import("../page/types.js").PythonUrls} PythonUrls
 * @typedef {typeof import("../page/start.js") & Shared} Sprag
 * @typedef {{startFailed: (what: string, error: unknown) => void,
 *   wasThen: (event: Event, element: Element) => import("../page/types.js").Was | undefined}} Shared
 * @typedef {Record<string, any>} Message
 */
import { addSources, startBrython, traced } from "./brython.js";

/** @type {(text: string) => string} */
let receive = () => "null";
/** @type {Map<number, PageModule>} */
const modules = new Map();
/** @type {Map<number, {cancel: () => void}>} */
const timers = new Map();
/** @type {Map<number, Event>} */
const events = new Map();
/** @type {File[]} */
const files = [];
// Handles must not keep elements that have left the page: Python never says when it drops one.
/** @type {WeakMap<Element, number>} */
const numbers = new WeakMap();
/** @type {Map<number, WeakRef<Element>>} */
const elements = new Map();
const forgotten = new FinalizationRegistry((/** @type {number} */ number) => {
  elements.delete(number);
});
let last = 0;
/** @type {Shared["wasThen"]} */
let wasThen = () => undefined;

/**
 * @param {PythonUrls} urls
 * @param {ModuleFile[]} wanted
 * @param {Sprag} sprag  what sprag.js exports
 */
async function startPython(urls, wanted, sprag) {
  const sources = wanted.map(async ({ name, url }) => {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    return /** @type {const} */ ([name, await response.text()]);
  });
  wasThen = sprag.wasThen;
  const found = Promise.all(sources);
  receive = await startBrython(urls, (text) => call(text, sprag));
  addSources(Object.fromEntries(await found));
  for (const { name } of wanted) {
    const kinds = send({ do: "load", name });
    if (!kinds) sprag.startFailed(`${name}.py`, traced()); // the console has it
    for (const { name: kind, methods } of kinds ?? []) {
      sprag.start(moduleClass(name, kind, new Set(methods), sprag), kind);
    }
  }
}

/**
 * The class that sprag.js starts in place of a Python class, to which it passes everything on.
 * @param {string} file
 * @param {string} kind
 * @param {Set<string>} methods
 * @param {Sprag} sprag
 */
function moduleClass(file, kind, methods, sprag) {
  const cls = class extends sprag.Module {
    number = ++last;
    onStart() {
      const { number, state, element } = this;
      modules.set(number, this);
      const start = { do: "start", file, kind, module: number, state, element: handle(element) };
      if (!send(start)) sprag.startFailed(kind, traced());
    }
    onStop() {
      send({ do: "stop", module: this.number });
      modules.delete(this.number);
    }
    /** @param {string} name */
    _method(name) {
      if (!methods.has(name)) return undefined;
      return (/** @type {Event} */ event, /** @type {Element} */ target) =>
        during(event, target, (said) => {
          send({ do: "method", module: this.number, name, event: said });
        });
    }
  };
  Object.defineProperty(cls, "name", { value: kind });
  return cls;
}

/** What Python answered. Its errors are in the console by then. @param {Message} message */
function send(message) {
  try {
    return JSON.parse(receive(JSON.stringify(message)));
  } catch (error) {
    // @ts-ignore: Brython marks the errors that it has shown
    if (!error?.$handled) console.error("sprag: Python:", error);
    return null;
  }
}

/** @param {string} text @param {Sprag} sprag @returns {string} */
function call(text, sprag) {
  try {
    const message = JSON.parse(text);
    const value = verbs[message.do]?.(message, sprag);
    return JSON.stringify({ value: value ?? null });
  } catch (error) {
    const gone = error instanceof Gone;
    return JSON.stringify({ error: error instanceof Error ? error.message : `${error}`, gone });
  }
}

class Gone extends Error {}

/** @type {Record<string, (message: any, sprag: Sprag) => unknown>} */
const verbs = {
  start_failed({ name, trace }, sprag) {
    sprag.startFailed(name, Object.assign(new Error(trace), { stack: trace }));
  },
  on_socket({ module, signal, callback }) {
    running(module).onSocket(signal, (value) => {
      send({ do: "callback", callback, kind: "signal", value });
    });
  },
  call_action({ module, name, payload, files: sent, callback }, sprag) {
    for (const [field, list] of Object.entries(sent)) {
      payload[field] = list.map((/** @type {number} */ number) => files[number]);
    }
    /** @param {import("../page/types.js").Result} value */
    const finish = (value) => {
      const taken = send({ do: "callback", callback, kind: "result", value, once: true });
      if (taken === false) sprag.reportFailure(name, value);
    };
    running(module).callAction(name, payload).then(finish).catch(finish);
  },
  set_state({ module, changes }) {
    running(module).setState(changes);
  },
  delegate({ module, element, event, selector, callback }) {
    running(module).delegate(at(element), event, selector, (happened, target) => {
      during(happened, target, (value) => {
        send({ do: "callback", callback, kind: "event", value });
      });
    });
  },
  after({ module, seconds, callback }) {
    const run = () => {
      timers.delete(callback);
      send({ do: "callback", callback, kind: "timer", once: true });
    };
    timers.set(callback, running(module).after(seconds, run));
  },
  every({ module, seconds, callback }) {
    const run = () => send({ do: "callback", callback, kind: "timer" });
    timers.set(callback, running(module).every(seconds, run));
  },
  cancel({ callback }) {
    timers.get(callback)?.cancel();
    timers.delete(callback);
  },
  prevent_default({ event }) {
    events.get(event)?.preventDefault();
  },
  stop_propagation({ event }) {
    events.get(event)?.stopPropagation();
  },
  get({ element, name }) {
    const found = /** @type {any} */ (at(element));
    if (name === "tag") return found.localName;
    return name === "text" ? found.textContent : found[name] ?? (name === "value" ? "" : false);
  },
  set({ element, name, value }, sprag) {
    const found = at(element);
    if (name !== "text") return sprag.setAttribute(found, name, value);
    const refused = sprag.refusedText(found);
    if (refused) throw new Error(`text ${refused}`);
    found.textContent = value;
    return null;
  },
  attribute: ({ element, name }) => at(element).getAttribute(name),
  attributes: ({ element }) => at(element).getAttributeNames(),
  set_attribute({ element, name, value }, sprag) {
    sprag.setAttribute(at(element), name, value);
  },
  classes: ({ element }) => [...at(element).classList],
  toggle_class: ({ element, name, on }) => at(element).classList.toggle(name, on ?? undefined),
  query: ({ element, selector }) => handle(at(element).querySelector(selector)),
  query_all: ({ element, selector }) => [...at(element).querySelectorAll(selector)].map(handle),
  closest: ({ element, selector }) => handle(at(element).closest(selector)),
  focus: ({ element }) => /** @type {HTMLElement} */ (at(element)).focus(),
  remove: ({ element }) => at(element).remove(),
};

/** @param {number} number */
function running(number) {
  const module = modules.get(number);
  if (!module) throw new Gone("this module has been stopped");
  return module;
}

/** @param {Element | null} element */
function handle(element) {
  if (!element) return null;
  let number = numbers.get(element);
  if (number === undefined) {
    number = ++last;
    numbers.set(element, number);
    elements.set(number, new WeakRef(element));
    forgotten.register(element, number);
  }
  return number;
}

/** @param {number} number */
function at(number) {
  const element = elements.get(number)?.deref();
  if (!element) throw new Gone("this element has left the page for good");
  return element;
}

/**
 * Call `use` with an event. While it runs, Python may prevent the default action of the browser.
 * @param {Event} event
 * @param {Element} target
 * @param {(said: Message) => void} use
 */
function during(event, target, use) {
  const number = ++last;
  events.set(number, event);
  try {
    const { key, dataTransfer } = /** @type {any} */ (event);
    const now = /** @type {any} */ (target);
    const then = wasThen(event, target);
    const { value, files: chosen } = then ?? now;
    use({
      event: number,
      type: event.type,
      key: typeof key === "string" ? key : null,
      value: typeof value === "string" ? value : null,
      files: [...(then ? chosen : dataTransfer?.files ?? chosen) ?? []].map(fileHandle),
      target: handle(target),
    });
  } finally {
    events.delete(number);
  }
}

/** @param {File} file */
function fileHandle(file) {
  let number = files.indexOf(file);
  if (number < 0) number = files.push(file) - 1;
  return { file: number, name: file.name, size: file.size, type: file.type };
}

export { startPython };
