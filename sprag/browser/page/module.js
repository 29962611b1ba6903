// @ts-check
/**
 * Class Module: what an author writes, and all that its methods do.
 *
 * @typedef {import("./types.js").Handler} Handler
 * @typedef {import("./types.js").Timer} Timer
 */
import { Call, post } from "./actions.js";
import { connection } from "./connection.js";
import { report } from "./console.js";
import { View } from "./markup.js";
import { startFailed } from "./ready.js";

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

  /** What markup may have meant instead. (Not for authors.) */
  _names() {
    const names = [];
    for (let at = this; at && at !== Module.prototype; at = Object.getPrototypeOf(at)) {
      names.push(...Object.getOwnPropertyNames(at));
    }
    return names.filter((name) => this._method(name));
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
