// Pausing: asks why, says so, and lets it go on.

import { by, el } from "./dom.js";
import { send } from "./net.js";
import { confirmed, outcome } from "./shell.js";
import { since } from "./words.js";

/** Since when something is paused, and why. */
export const pauseWords = (paused) =>
  el("span", { class: "late" }, "Paused ", since(paused.since), paused.reason ? `: ${paused.reason}` : "");

/** The button that pauses a queue, or resumes one that is paused; `done()` is called afterwards. */
export const pauseButton = ({ name, paused }, done) =>
  el("button", { type: "button", class: "small", "data-focus": `pause-${name}`, "aria-label": `${paused ? "Resume" : "Pause"} queue ${name}`,
    on: { click: () => (paused ? resume(name, done) : pause(name, done)) } }, paused ? "Resume" : "Pause");

async function pause(queue, done) {
  const text = "No process starts its jobs until it is resumed. Running jobs go on, and new ones are accepted.";
  const reason = by("confirm-reason");
  if (!(await confirmed(`Pause ${queue}?`, text, "Pause", false, true))) return;
  await perform("pause", { queue, reason: reason.value.trim() || null }, `${queue} is paused.`, done);
}

const resume = (queue, done) => perform("resume", { queue }, `${queue} starts jobs again.`, done);

async function perform(verb, body, says, done) {
  try {
    await send(verb, body);
    outcome(says);
  } catch (error) {
    outcome(error.message, true);
  }
  done();
}
