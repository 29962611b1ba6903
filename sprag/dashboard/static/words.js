// Numbers, times and states in words.

import { el } from "./dom.js";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The states that lists tell apart, and what each means. */
export const STATES = {
  ready: "Queued, and starts as soon as a worker is free",
  scheduled: "Queued, and starts when it is due",
  retrying: "Failed, and is tried again when it is due",
  running: "Running",
  lost: "Its process died while it ran",
  cancelling: "Running, and asked to stop",
  completed: "Completed",
  failed: "Failed, with no attempts left",
  cancelled: "Cancelled",
};

/** What each event of the journal means, by its name. */
const EVENTS = {
  enqueue: "Accepted",
  start: "Started",
  cancel: "Cancellation requested",
  complete: "Completed",
  fail: "Failed",
  retry: "Failed, will be tried again",
  release: "Put back: its process was stopping",
  recover: "Put back: its process died",
  lose: "Failed: its process died too often",
  confirm: "Cancelled: it stopped when asked",
  requeue: "Run again on request",
};

/** What a move means. */
export const moveWords = ({ event, error }) =>
  event === "release" && error ? "Will be tried again, and is not counted" : EVENTS[event] ?? event;

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const number = (count) => count.toLocaleString("en");

/** A count, with a plus if there are more. */
export const counted = (count, atLeast) => number(count) + (atLeast ? "+" : "");

/** What to say about a queue that has jobs and that nobody runs; null otherwise, and if it is
 * paused: then it would start none anyway. */
export function idleWords({ counts, workers, paused }) {
  const waiting = counts.ready + counts.scheduled + counts.retrying;
  if (workers || paused || !waiting) return null;
  return `${jobs(waiting)} ${waiting === 1 ? "waits" : "wait"} and no process runs this queue.`;
}

/** "1 job", "2 jobs". */
export const jobs = (count) => `${number(count)} ${count === 1 ? "job" : "jobs"}`;

/** A span of time in one or two units: 85 ms, 3.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function duration(seconds) {
  const s = Math.max(seconds, 0);
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  const whole = Math.floor(s);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return inTwo(whole, MINUTE, "min", 1, "s");
  if (whole < DAY) return inTwo(whole, HOUR, "h", MINUTE, "min");
  return inTwo(whole, DAY, "d", HOUR, "h");
}

function inTwo(whole, unit, name, smaller, smallerName) {
  const rest = Math.floor((whole % unit) / smaller);
  const first = `${number(Math.floor(whole / unit))} ${name}`;
  return rest ? `${first} ${rest} ${smallerName}` : first;
}

/** Like duration, but in one unit and without fractions, as in "3 min ago". */
export function ago(seconds) {
  if (seconds < -1) return `in ${duration(-seconds)}`;
  if (seconds < 2) return "just now";
  if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return `${number(Math.floor(seconds / DAY))} d ago`;
}

let ahead = 0; // of the server's clock, in seconds

/** Take note of the server's clock. */
export function setClock(now) {
  ahead = now - Date.now() / 1000;
}

/** The server's time, in unix seconds. */
export const clock = () => Date.now() / 1000 + ahead;

/** A moment in the format of this browser's language. */
export function moment(at) {
  return new Date(at * 1000).toLocaleString(undefined, {
    dateStyle: "medium",
    timeStyle: "medium",
  });
}

const padded = (value) => String(value).padStart(2, "0");

/** The time of day, with milliseconds if wanted: 07:08:12.345 */
export function timeOfDay(at, milliseconds = false) {
  const date = new Date(at * 1000);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(padded).join(":");
  return milliseconds ? `${time}.${String(date.getMilliseconds()).padStart(3, "0")}` : time;
}

/** The day of a moment: 29 Nov 2026 */
export const dayOf = (at) => new Date(at * 1000).toLocaleDateString(undefined, { dateStyle: "medium" });

/** The time zone in which this page shows times: Europe/Berlin (GMT+1) */
export function zone(at) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts(at * 1000);
  const offset = parts.find(({ type }) => type === "timeZoneName").value;
  return timeZone === "UTC" ? timeZone : `${timeZone} (${offset})`;
}

/** A <time> that says how long ago it was, kept up to date by the timer below. */
export function since(at) {
  return el(
    "time",
    { datetime: new Date(at * 1000).toISOString(), title: moment(at), "data-at": at },
    ago(clock() - at),
  );
}

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-at]")) {
    time.textContent = ago(clock() - Number(time.dataset.at));
  }
}, 5000);

/** The mark of a state. */
export const badge = (state) =>
  el("span", { class: `badge ${state}`, title: STATES[state] ?? null }, capital(state));

/** What a job is called: its label, or else its item. */
export const nameOf = (job) => job.label || job.item || job.id;

/** Which attempt a job is at: [2, 3]. A crash may give it one more than its queue allows. */
export const attemptsOf = (job) => [job.attempt, Math.max(job.attempt, job.max_attempts)];

/** As in "attempt 2 of 3 (1 crash)". */
export function attemptWords(job) {
  const [at, most] = attemptsOf(job);
  const crashes = job.crashes ? ` (${number(job.crashes)} ${job.crashes === 1 ? "crash" : "crashes"})` : "";
  return `attempt ${number(at)} of ${number(most)}${crashes}`;
}

/** How far a job is, 0 to 100; null if it does not say. */
export function percentOf(progress) {
  if (!progress) return null;
  if (typeof progress.percent === "number") return Math.min(Math.max(progress.percent, 0), 100);
  if (typeof progress.current === "number" && progress.total > 0) {
    return Math.min(Math.max((100 * progress.current) / progress.total, 0), 100);
  }
  return null;
}

/** Progress as text: "42 % · 21 of 50 · resizing". */
export function progressWords(progress) {
  const percent = percentOf(progress);
  const words = [];
  if (percent !== null) words.push(`${Math.floor(percent)} %`);
  if (typeof progress.current === "number") {
    const of = typeof progress.total === "number" ? ` of ${number(progress.total)}` : "";
    words.push(number(progress.current) + of);
  }
  if (progress.message) words.push(progress.message);
  return words.join(" · ");
}

/** An error in one line. */
export const errorWords = (error) =>
  error.type ? `${error.type}: ${error.message}` : error.message;
