// @ts-check
/**
 * Brython, the Python that runs in a page. Nothing else here knows of it.
 *
 * @typedef {import("../page/types.js").PythonUrls} PythonUrls
 */

/** The traceback of Python's newest error. */
let trace = "";

/** Python's newest error, as an Error of JavaScript. */
export function traced() {
  return Object.assign(new Error("see the console"), { stack: `see the console\n${trace}` });
}

const GLUE = `
from browser import aio, window
from javascript import JSON
import sprag
bridge = window.spragBridge
bridge.receive = sprag.connect(bridge.call, JSON.parse, JSON.stringify, aio.run)
`;

/**
 * Its `brython()` is never called: that would also run every <script type="text/python"> that
 * somebody gets into the page, past the content security policy.
 * @param {PythonUrls} urls
 * @param {(text: string) => string} call  what Python calls with a text, and gets one back
 * @returns {Promise<(text: string) => string>}  what Python is called with
 */
export async function startBrython(urls, call) {
  // Loaded earlier, it would run `brython()` itself when the document is complete.
  const parsed = new Promise((done) => {
    const navigation = performance.getEntriesByType("navigation")[0];
    const { domContentLoadedEventStart: since } = /** @type {any} */ (navigation ?? {});
    if (since || document.readyState === "complete") done(null);
    else addEventListener("DOMContentLoaded", done);
  });
  for (const href of [urls.brython, urls.runtime]) {
    document.head.append(Object.assign(document.createElement("link"), {
      rel: "preload", as: "script", href,
    }));
  }
  await parsed;
  await script(urls.brython);
  const B = brython();
  B.$options = B.parse_options({ debug: 1, indexeddb: false, static_stdlib_import: false });
  // Brython would look for an unknown import beside the page, by requests that block everything.
  B.finders.path = B.finders.VFS;
  const told = B.error_trace;
  B.error_trace = (/** @type {any} */ error) => {
    trace = told(error).replaceAll('File "VFS.', 'File "');
    return trace;
  };
  await script(urls.runtime);
  /** @type {{call: Function, receive: (text: string) => string}} */
  const shared = { call, receive: () => "null" };
  Object.assign(globalThis, { spragBridge: shared });
  B.runPythonSource(GLUE, { id: "sprag_bridge" });
  Reflect.deleteProperty(globalThis, "spragBridge");
  return shared.receive;
}

/** @returns {any} */
function brython() {
  return /** @type {any} */ (globalThis).__BRYTHON__;
}

/** Make files importable. @param {Record<string, string>} sources */
export function addSources(sources) {
  const entries = Object.entries(sources).map(([name, text]) => [name, [".py", text, []]]);
  brython().loadBrythonPackage(Object.fromEntries(entries));
}

/** @param {string} url */
function script(url) {
  return new Promise((done, failed) => {
    const element = document.createElement("script");
    element.onload = done;
    element.onerror = () => failed(new Error(`${url} could not be loaded`));
    element.src = url;
    document.head.append(element);
  });
}
