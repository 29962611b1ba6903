// @ts-check
/**
 * The start of the page as people see it: loading, ready or failed.
 */
import { page } from "./config.js";

let hasFailed = false;
let isReady = false;
/** @type {(() => void)[]} */
const later = [];

/** The page has started. */
export function nowReady() {
  isReady = true;
  for (const run of later.splice(0)) run();
  if (!hasFailed) mark("ready");
}

/** Call it once the page has started, and not now. @param {() => void} run */
export function whenReady(run) {
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
export function startFailed(what, error) {
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
