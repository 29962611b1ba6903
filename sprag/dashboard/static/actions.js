// What can be done with jobs: asks, sends, and shows the outcome.

import { send } from "./net.js";
import { confirmed, outcome } from "./shell.js";
import { counted, jobs, number } from "./words.js";

/** Which states each verb leaves, and its words. */
export const VERBS = {
  cancel: {
    from: ["ready", "scheduled", "retrying", "running", "lost"],
    name: "Cancel",
    done: "cancelled or asked to stop",
    cannot: "cancelled",
    question: (what) => `Cancel ${what}?`,
    text: (one) => one
      ? "If it is queued, it is cancelled at once; if it is running, it is asked to stop."
      : "Queued jobs are cancelled at once; running jobs are asked to stop.",
    bad: true,
  },
  "run-now": {
    from: ["scheduled", "retrying"],
    name: "Run now",
    done: "will run now",
    cannot: "run before it is due",
    question: (what) => `Run ${what} now?`,
    text: (one) => (one ? "It does not wait until it is due." : "They do not wait until they are due."),
    bad: false,
  },
  requeue: {
    from: ["failed", "cancelled"],
    name: "Run again",
    done: "will run again",
    cannot: "run again",
    question: (what) => `Run ${what} again?`,
    text: (one) => `With new attempts. ${one ? "Its" : "Their"} history is kept.`,
    bad: false,
  },
  delete: {
    from: ["completed", "failed", "cancelled"],
    name: "Delete",
    done: "deleted",
    cannot: "deleted",
    question: (what) => `Delete ${what}?`,
    text: (one) => (one ? "It is gone for good, with its history." : "They are gone for good, with their history."),
    bad: true,
  },
};

const AT_ONCE = 1000;

/** Move the jobs with these ids, of `selected` ones. True if the server moved any. */
export async function moveNamed(verb, ids, selected = ids.length) {
  const { name, question, text, bad, cannot } = VERBS[verb];
  const what = ids.length === 1 ? "this job" : jobs(ids.length);
  const rest = selected - ids.length;
  const others = rest ? ` The other ${rest === 1 ? "job" : number(rest)} selected cannot be ${cannot}.` : "";
  if (!(await confirmed(question(what), text(ids.length === 1) + others, name, bad))) return false;
  return perform(verb, { ids });
}

/** Like moveNamed, but all that match {states, queue, text, by, from, until}; `count` is how many,
 * if known, `atLeast` says that there are more. */
export async function moveMatching(verb, match, count, atLeast) {
  const { name, question, text, bad } = VERBS[verb];
  const what = count === null ? "all jobs that match" : `all ${counted(count, atLeast)} jobs`;
  const bound = count === null || count > AT_ONCE ? ` At most ${number(AT_ONCE)} at a time.` : "";
  const asked = count === 1 ? question("this job") : question(what);
  if (!(await confirmed(asked, text(count === 1) + bound, name, bad))) return false;
  return perform(verb, { match });
}

async function perform(verb, body) {
  try {
    const answer = await send(verb, body);
    outcome(...words(verb, answer));
    return answer.done > 0;
  } catch (error) {
    outcome(error.message, true);
    return false;
  }
}

function words(verb, { done, refused, refused_count: count, more }) {
  if (done === 0 && count === 1 && !more) {
    return [`The job cannot be ${VERBS[verb].cannot}: ${refused[0].message}.`, true];
  }
  const said = [`${jobs(done)} ${VERBS[verb].done}.`];
  if (count) {
    const shown = refused.slice(0, 3).map(({ id, message }) => `${id.slice(0, 13)} (${message})`);
    said.push(`Refused: ${number(count)}: ${shown.join(", ")}${count > 3 ? ", …" : ""}.`);
  }
  if (more) said.push("More jobs match: repeat this for the next ones.");
  return [said.join(" "), count > 0];
}
