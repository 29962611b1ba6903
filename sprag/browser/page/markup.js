// @ts-check
/**
 * Markup that follows a state: `View` keeps that of one module up to date.
 *
 * @typedef {import("./types.js").Scope} Scope
 */
import { applier } from "./attributes.js";
import { complain, doubt } from "./console.js";
import { RARE, asked, eventsOf, misspelt } from "./names.js";
import { whenReady } from "./ready.js";
import { has, isTrue, plain, walk } from "./values.js";

const PATH = /^!?(\.|[\w-]+(\.[\w-]+)*)$/;

/** The markup of one module. Each place is changed when its value differs from before. */
export class View {
  /** @type {(() => void)[]} */
  #updates = [];
  #module;
  #rendering = false;
  #again = false;

  /** @param {import("./module.js").Module} module */
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
      const like = asked(name, module._names());
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

/** The nodes of a row, from its first to its last. @param {{first: Node, last: Node}} row */
function nodes({ first, last }) {
  // A new row is still in its fragment, an old one in the page: siblings in both.
  const found = [/** @type {ChildNode} */ (first)];
  for (let node = first; node !== last && node.nextSibling; ) found.push((node = node.nextSibling));
  return found;
}
