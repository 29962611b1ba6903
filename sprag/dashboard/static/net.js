// Talks to the server: reads data, asks for changes, listens for news.

import { by, released } from "./dom.js";
import { clock, timeOfDay } from "./words.js";

/** The dashboard's own address; this file is at assets/<version>/ below it. */
export const base = new URL("../../", import.meta.url);

const LEAST_PAUSE = 250;
const POLL = 5000;
const OFTEN = 2; // after this many polls, a page looks by itself, although it gets the news

/** An address inside the dashboard, with those parameters that are not empty. */
export function address(path, parameters = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) if (one) url.searchParams.append(name, one);
  }
  return url.href;
}

/** What is at an address, when it may be shown. Throws an Error that a person can read. */
export async function read(url) {
  const answer = await ask(url, { headers: { Accept: "application/json" } });
  await released();
  return answer;
}

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

/** Calls `load` when asked to, once at a time and with pauses. Shows what went wrong, and then also
 * how old the data of the page is. */
export class Refresher {
  #load;
  #loaded = null;
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
      this.#loaded = clock();
      problem.hidden = true;
      document.body.classList.remove("stale");
    } catch (error) {
      const known = this.#loaded === null ? "" : ` Data as of ${timeOfDay(this.#loaded)}.`;
      const said = `${error.message}${known} Trying again…`;
      if (problem.textContent !== said) problem.textContent = said;
      problem.hidden = false;
      document.body.classList.toggle("stale", this.#loaded !== null);
      if (!("status" in error)) console.error(error);
    }
  }
}

/** Call `hear(news)` for what happens from now on, to one job or to all. A page that nobody sees
 * does not listen: browsers allow few streams to one server. Now and then it looks by itself,
 * because no signal comes when a process dies or a job becomes due. */
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
      hear({ moved: true, signal: null }); // shows at once if the server is gone
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
  let polls = 0;
  setInterval(() => {
    polls += 1;
    const told = source?.readyState === EventSource.OPEN && polls % OFTEN !== 0;
    if (document.hidden || told) return;
    hear({ moved: true, signal: null });
    open();
  }, POLL);
  open();
}
