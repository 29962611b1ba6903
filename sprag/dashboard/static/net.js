// Talks to the server: data, wishes, live news.

import { by } from "./dom.js";

/** The dashboard's own address; this file is at assets/<version>/ below it. */
export const base = new URL("../../", import.meta.url);

const LEAST_PAUSE = 250;
const POLL = 5000;

/** An address inside the dashboard; of the parameters, those that say something. */
export function address(path, parameters = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) if (one) url.searchParams.append(name, one);
  }
  return url.href;
}

/** What is at an address. Throws an Error that a person can read. */
export const read = (url) => ask(url, { headers: { Accept: "application/json" } });

/** Ask the server to do something. */
export function send(path, body) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  return ask(address(path), { method: "POST", headers, body: JSON.stringify(body) });
}

async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Error("The server does not answer.");
  }
  if (answer.status === 401) {
    location.reload(); // the sign-in page takes this one's place
    return new Promise(() => {});
  }
  let said = null;
  try {
    said = await answer.json();
  } catch {
    said = null;
  }
  if (!answer.ok || said === null) {
    const error = new Error(said?.error?.message ?? `The server answered ${answer.status}.`);
    error.status = answer.status;
    throw error;
  }
  return said;
}

/** Calls `load` when asked to, once at a time and with pauses, and shows what went wrong. */
export class Refresher {
  #load;
  #wanted = false;
  #busy = false;

  constructor(load) {
    this.#load = load;
  }

  async ask() {
    this.#wanted = true;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#wanted) {
      this.#wanted = false;
      const begin = performance.now();
      await this.#once();
      const took = performance.now() - begin;
      await new Promise((done) => setTimeout(done, Math.max(LEAST_PAUSE, 3 * took)));
    }
    this.#busy = false;
  }

  async #once() {
    const problem = by("problem");
    try {
      await this.#load();
      problem.hidden = true;
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      if (!("status" in error)) console.error(error);
    }
  }
}

/** Call `hear(news)` for what happens from now on, to one job or to all. A page that nobody sees
 * does not listen: browsers allow few streams to one server. Without news, it asks now and then. */
export function listen(job, hear) {
  let source = null;
  const said = { live: "live", waiting: "reconnecting", paused: "paused" };

  function tell(state) {
    by("live").dataset.state = state;
    by("live-text").textContent = said[state];
  }
  function open() {
    if (source !== null || document.hidden) return;
    source = new EventSource(address("events", { job }));
    source.onopen = () => tell("live");
    source.onmessage = (event) => hear(JSON.parse(event.data));
    source.onerror = () => {
      tell("waiting");
      if (source?.readyState === EventSource.CLOSED) source = null; // refused: tried again below
    };
  }
  function close() {
    source?.close();
    source = null;
    tell("paused");
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  setInterval(() => {
    if (document.hidden || source?.readyState === EventSource.OPEN) return;
    hear({ moved: true, signal: null });
    open();
  }, POLL);
  open();
}
