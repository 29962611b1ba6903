// @ts-check
/**
 * The start of a page and of its modules, and their end.
 */
import { reportFailure } from "./actions.js";
import { refusedText, setAttribute } from "./attributes.js";
import { page } from "./config.js";
import { connection } from "./connection.js";
import { complain, report } from "./console.js";
import { Module } from "./module.js";
import { nowReady, startFailed } from "./ready.js";
import { sendAgain, wasThen } from "./replay.js";

/** @type {Set<Module>} */
const running = new Set();

/**
 * Start a module's class on each of its elements. Two modules cannot share the markup of the body:
 * it belongs to the first.
 * @param {typeof Module} kind
 * @param {string} name
 */
function start(kind, name) {
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
  sendAgain(running.size > 0);
  nowReady();
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

export { Module, refusedText, reportFailure, setAttribute, start };
