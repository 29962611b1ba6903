// Cancel and run again: asks, sends, and says what came of it.

import { send } from "./net.js";
import { confirmed, outcome } from "./shell.js";
import { jobs, number } from "./words.js";

/** Which states each verb leaves, and its words. */
export const VERBS = {
  cancel: {
    from: ["queued", "running"],
    name: "Cancel",
    done: "cancelled or asked to give way",
    question: (what) => `Cancel ${what}?`,
    text: "What is queued is cancelled at once; what runs is asked to give way.",
    bad: true,
  },
  requeue: {
    from: ["failed", "cancelled"],
    name: "Run again",
    done: "will run again",
    question: (what) => `Run ${what} again?`,
    text: "With fresh attempts; the history stays.",
    bad: false,
  },
};

const AT_ONCE = 1000;

/** Move the jobs with these ids; whether the server was asked to. */
export async function moveNamed(verb, ids) {
  const { name, question, text, bad } = VERBS[verb];
  const what = ids.length === 1 ? "this job" : jobs(ids.length);
  if (!(await confirmed(question(what), text, name, bad))) return false;
  return perform(verb, { ids });
}

/** Like moveNamed, but all that match {states, queue, text}; `count` is how many, if known. */
export async function moveMatching(verb, match, count) {
  const { name, question, text, bad } = VERBS[verb];
  const what = count === null ? "all jobs that match" : `all ${jobs(count)}`;
  const bound = count === null || count > AT_ONCE ? ` At most ${number(AT_ONCE)} at a time.` : "";
  if (!(await confirmed(question(what), text + bound, name, bad))) return false;
  return perform(verb, { match });
}

async function perform(verb, body) {
  try {
    outcome(...words(verb, await send(verb, body)));
  } catch (error) {
    outcome(error.message, true);
  }
  return true;
}

function words(verb, { done, refused, refused_count: count, more }) {
  const said = [`${jobs(done)} ${VERBS[verb].done}.`];
  if (count) {
    const shown = refused.slice(0, 3).map(({ id, message }) => `${id.slice(0, 13)} (${message})`);
    said.push(`Refused: ${number(count)}: ${shown.join(", ")}${count > 3 ? ", …" : ""}.`);
  }
  if (more) said.push("More match: do it again for the next ones.");
  return [said.join(" "), count > 0];
}
