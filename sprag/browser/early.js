// @ts-check
/**
 * Runs before the page's content is there, and keeps what people do until the page's modules have
 * started. A classic script in the head, because a module would run only after the content.
 *
 * An event at an element with `data-on-<event>` is stopped here, with what it would do (send a
 * form, follow a link); sprag.js sends it again, in its order, once all modules have started. While
 * this goes on, `<html data-sprag="loading">`; then `ready` or `failed`.
 *
 * @typedef {{event: Event, target: Element, again: boolean, was: Map<Element, Was>}} Held
 *   `again`: the browser has not done yet what it does, and will when the event is sent again
 * @typedef {{value: string | null, files: File[] | null}} Was  of a field, when it happened
 * @typedef {{take: () => Held[], lost: number}} Early
 */
(() => {
  const MOST = 200;
  // Of these only the latest matters.
  const STREAMS = /move$|over$|^drag$|^scroll$|^wheel$|^resize$/;
  // There, the field or the browser acts on a click, and has done so when it is replayed.
  const FIELDS =
    "input:not([type=submit], [type=image], [type=button], [type=reset]), select, option, " +
    "textarea, label, summary, audio, video, [contenteditable]";

  /** @type {Held[]} */
  const held = [];
  /** @type {Set<string>} */
  const types = new Set();
  const root = document.documentElement;

  /** @param {Event} event */
  function hold(event) {
    const target = event.target instanceof Element ? event.target : null;
    const selector = `[data-on-${CSS.escape(event.type)}]`;
    const bound = event.bubbles ? target?.closest(selector) : target?.matches(selector) && target;
    if (!target || !bound || goesElsewhere(event, target)) return;
    event.stopImmediatePropagation();
    const again = mayWait(event, target);
    if (again) event.preventDefault();
    const was = new Map([target, bound].map((element) => [element, wasIn(event, element)]));
    const last = held.at(-1);
    if (STREAMS.test(event.type) && last?.event.type === event.type && last.target === target) {
      held.pop();
    }
    if (held.length < MOST) held.push({ event, target, again, was });
    else early.lost += 1;
  }

  /** Whether a click opens another tab, or the like. @param {any} event @param {Element} target */
  function goesElsewhere(event, target) {
    const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    return event.type === "click" && modified && target.closest("a[href]") !== null;
  }

  /** @param {Event} event @param {Element} target */
  function mayWait(event, target) {
    if (event.type === "click") return !target.closest(FIELDS);
    return ["submit", "drop", "dragover"].includes(event.type);
  }

  /** @param {any} event @param {any} element @returns {Was} */
  function wasIn(event, element) {
    const { value, files } = element;
    const list = event.dataTransfer?.files ?? files;
    return { value: typeof value === "string" ? value : null, files: list ? [...list] : null };
  }

  /** @param {Element} element */
  function listen(element) {
    for (const name of element.getAttributeNames()) {
      const type = name.startsWith("data-on-") ? name.slice(8) : "";
      if (!type || types.has(type)) continue;
      types.add(type);
      addEventListener(type, hold, { capture: true, passive: false });
    }
  }

  /** @param {Node} node */
  function look(node) {
    if (!(node instanceof Element)) return;
    listen(node);
    for (const element of node.querySelectorAll("*")) listen(element);
  }

  const watching = new MutationObserver((changes) => {
    for (const { addedNodes } of changes) addedNodes.forEach(look);
  });

  /** @type {Early} */
  const early = {
    take() {
      watching.disconnect();
      removeEventListener("error", broken, true);
      for (const type of types) removeEventListener(type, hold, true);
      return held.splice(0);
    },
    lost: 0,
  };

  /** @param {Event} event */
  function broken({ target }) {
    if (!(target instanceof HTMLScriptElement) || target.id !== "sprag-script") return;
    root.setAttribute("data-sprag", "failed");
    const lost = early.take().length + early.lost;
    console.error(`sprag: ${target.src} could not be loaded, so nothing on this page works` +
      (lost ? `; events that were dropped: ${lost}` : ""));
  }

  if (root.hasAttribute("data-sprag")) return;
  root.setAttribute("data-sprag", "loading");
  look(root);
  watching.observe(document, { childList: true, subtree: true });
  addEventListener("error", broken, true);
  Object.assign(globalThis, { spragEarly: early });
})();
