// Schedules: when each last enqueued a job and when it does so next, and what can be done with it.

import { by, el, show } from "./dom.js";
import { address, send } from "./net.js";
import { pauseWords } from "./pause.js";
import { confirmed, outcome } from "./shell.js";
import { badge, since } from "./words.js";

const VERBS = {
  run: {
    name: "Run now",
    question: (name) => `Run ${name} now?`,
    text: "A job is enqueued now, besides those of its slots.",
    done: (name) => `A job of ${name} was enqueued.`,
  },
  pause: {
    name: "Pause",
    question: (name) => `Pause ${name}?`,
    text: "Its slots are left out until it is resumed. Jobs that it has enqueued stay as they are.",
    done: (name) => `${name} is paused.`,
  },
  resume: {
    name: "Resume",
    question: null,
    done: (name) => `${name} goes on.`,
  },
  remove: {
    name: "Forget",
    question: (name) => `Forget ${name}?`,
    text: "If a class still has it, it comes back at the next start, and counts from then.",
    done: (name) => `${name} is forgotten.`,
  },
};

/** Show these schedules; `done()` is called after a change. */
export function showSchedules(schedules, done) {
  by("schedules-section").hidden = schedules.length === 0;
  show(by("schedules"), schedules, () => el("table", { class: "plain-table schedules" },
    el("thead", {}, el("tr", {},
      ["Schedule", "Last job", "Next"].map((title) => el("th", { scope: "col" }, title)),
      el("th", { scope: "col" }, el("span", { class: "unseen" }, "Actions")))),
    el("tbody", {}, schedules.map((schedule) => row(schedule, done)))));
}

function row(schedule, done) {
  const { queue, name, words, problem, paused, alive } = schedule;
  const verbs = ["run", paused ? "resume" : "pause", ...(alive ? [] : ["remove"])];
  return el("tr", {},
    el("th", { scope: "row" }, name,
      el("p", { class: "quiet" },
        el("a", { href: address("jobs", { queue }), "data-focus": `s-${queue}-${name}` }, queue),
        words === name ? null : ` · ${words}`),
      problem ? el("p", { class: "late" }, problem) : null),
    el("td", {}, last(schedule)),
    el("td", {}, next(schedule)),
    el("td", {}, el("p", { class: "buttons" }, verbs.map((verb) => button(verb, schedule, done)))));
}

function last({ last: at, last_job: job, last_status: status }) {
  if (at === null) return el("span", { class: "quiet" }, "none yet");
  if (status === null) return [since(at), el("p", { class: "quiet" }, "pruned")];
  return [since(at), el("p", {}, el("a", { href: address(`jobs/${job}`), "data-focus": `last-${job}` }, badge(status)))];
}

function next({ next: at, paused, late, alive, problem }) {
  if (paused) return pauseWords(paused);
  if (at === null) return el("span", { class: "quiet" }, problem ? "unknown" : "never");
  if (!late) return since(at);
  const why = alive ? "The queue is full, or its process does not get to it." : "No running process has it.";
  return el("span", { class: "late" }, "Late: was due ", since(at), ". ", why);
}

const button = (verb, { queue, name }, done) =>
  el("button", { type: "button", class: "small", "data-focus": `${verb}-${queue}-${name}`, "aria-label": `${VERBS[verb].name}: ${name}`,
    on: { click: () => act(verb, { queue, name }, done) } }, VERBS[verb].name);

async function act(verb, body, done) {
  const { name, question, text, done: words } = VERBS[verb];
  const why = verb === "pause";
  if (question && !(await confirmed(question(body.name), text, name, false, why))) return;
  if (why) body.reason = by("confirm-reason").value.trim() || null;
  try {
    await send(`schedules/${verb}`, body);
    outcome(words(body.name));
  } catch (error) {
    outcome(error.message, true);
  }
  done();
}
