// @ts-check
/**
 * The page's one connection to the server, which brings the signals.
 *
 * @typedef {import("./types.js").Handler} Handler
 * @typedef {import("./types.js").Result} Result
 * @typedef {import("./types.js").Signal} Signal
 */
import { page } from "./config.js";
import { report } from "./console.js";

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

export const connection = new Connection(page.base, page.cursor);
