// One job: why it failed, how far it is, its item and result, and all its moves.

import { moveNamed, VERBS } from "./actions.js";
import { by, el, show } from "./dom.js";
import { address, listen, read, Refresher } from "./net.js";
import { pauseWords } from "./pause.js";
import { copy, outcome, shortcut } from "./shell.js";
import { timeline } from "./timeline.js";
import { attemptsOf, attemptWords, badge, duration, moment, number, percentOf, progressWords, setClock, since } from "./words.js";

const id = by("job").dataset.id;
const MAIN = ["requeue", "run-now"];
let data = null;
let seq = 0;

const refresher = new Refresher(async () => {
  data = await read(address(`data/jobs/${id}`));
  setClock(data.now);
  seq = data.seq;
  render(data.job);
});

function render(job) {
  const name = job.label || `${job.task || job.queue} ${id.slice(0, 13)}`;
  by("job-title").textContent = name;
  document.title = `${job.state}: ${name} · sprag`;
  show(by("way"), job.queue, () => [
    el("a", { href: address("jobs"), "data-focus": "jobs" }, "Jobs"), " › ",
    el("a", { href: address("jobs", { queue: job.queue }), "data-focus": "queue" }, job.queue)]);
  show(by("state"), [job.state, job.attempt, job.crashes, job.finished_at, job.due_at, job.overdue, data.unknown, data.paused], () => state(job));
  show(by("failure"), [job.error, job.status], () => job.error && failure(job.error, job.status));
  showProgress(job.state, job.progress);
  show(by("buttons"), job.can, () => job.can.map((verb) =>
    el("button", { type: "button", class: MAIN.includes(verb) ? "main" : "", "data-focus": verb,
      on: { click: () => act(verb) } }, VERBS[verb].name)));
  show(by("facts"), facts(job).map(([title, , said]) => [title, said]), () => facts(job).map(([title, what]) => [el("dt", {}, title), el("dd", {}, what)]).flat());
  show(by("item"), job.item, () => payload(job.item, "item"));
  show(by("result"), [job.result, job.status], () => job.result && [el("h2", {}, "Result"), payload(job.result, "result")]);
  show(by("moves"), data.moves, () => timeline(data.moves, data.earlier));
}

function state(job) {
  const said = [badge(job.state)];
  if (job.state === "lost") {
    said.push(" Its process died. The job is put back in the queue as soon as another process runs jobs of this file.");
  } else if (job.status === "queued" && job.due_at > data.now) said.push(" due ", since(job.due_at));
  else if (job.finished_at) said.push(" ", since(job.finished_at));
  else if (job.started_at && job.status !== "queued") said.push(" started ", since(job.started_at));
  if (job.overdue) said.push(" · ", el("span", { class: "late" }, "over its time limit"));
  if (data.paused) said.push(" · its queue: ", pauseWords(data.paused));
  if (job.attempt > 0) said.push(` · ${attemptWords(job)}`);
  if (data.unknown) said.push(el("span", { class: "late" }, ` · ${data.unknown}; it waits for one that does`));
  return said;
}

function failure(error, status) {
  const lines = error.traceback.trimEnd().split("\n");
  const last = lines.findLast((line) => /^\s+File "/.test(line))?.trim();
  const title = status === "failed" ? null : el("p", { class: "quiet" }, "The latest attempt failed:");
  return el("section", { class: "failure", "aria-label": "Error" },
    title,
    el("h2", {}, error.type || "Error"),
    el("p", { class: "message" }, error.message || "no message"),
    error.traceback
      ? el("details", { "data-focus": "trace", open: true },
          el("summary", {}, "Traceback", last ? el("code", {}, last) : null),
          el("button", { type: "button", class: "small", "data-focus": "copy-trace",
            on: { click: () => copy(error.traceback, "The traceback was copied.") } }, "Copy traceback"),
          el("pre", { tabindex: "0", "aria-label": "Traceback" }, error.traceback))
      : null);
}

function showProgress(state, progress) {
  const runs = state === "running" || state === "cancelling";
  show(by("progress"), [runs, progress], () => {
    if (!runs) return null;
    const percent = percentOf(progress);
    const words = progress ? progressWords(progress) : "No progress reported yet";
    return el("div", { class: "going" },
      el("progress", { max: 100, value: percent, "aria-label": "Progress" }), el("p", {}, words));
  });
}

/** [title, content, what the content is made of]. */
function facts(job) {
  const time = (at) => [el("span", { title: moment(at) }, moment(at))];
  const ran = job.finished_at && job.started_at ? job.finished_at - job.started_at : null;
  return [
    ["Id", [el("code", {}, id), " ", el("button", { type: "button", class: "small", on: { click: () => copy(id, "The id was copied.") } }, "Copy")], id],
    ["Queue", job.queue, job.queue],
    job.task ? ["Task", el("a", { href: address("jobs", { queue: job.queue, task: job.task }), "data-focus": "task" }, job.task), job.task] : null,
    ["Accepted", time(job.created_at), job.created_at],
    job.status === "queued" ? ["Due", time(job.due_at), job.due_at] : null,
    job.started_at ? ["Started", time(job.started_at), job.started_at] : null,
    job.finished_at ? ["Ended", time(job.finished_at), job.finished_at] : null,
    ran !== null && ran >= 0 ? ["Took", duration(ran), ran] : null,
    job.state === "lost" && job.progress ? ["Last progress", progressWords(job.progress), job.progress] : null,
    ["Attempts", attemptsOf(job).join(" of "), attemptsOf(job)],
    job.starts > attemptsOf(job)[0] ? ["Starts", number(job.starts), job.starts] : null,
    job.crashes ? ["Crashes", `Its process died ${job.crashes === 1 ? "once" : `${number(job.crashes)} times`}`, job.crashes] : null,
    job.time_limit ? ["Time limit", duration(job.time_limit), job.time_limit] : null,
    job.unique ? ["Unique key", [el("code", {}, job.unique), `, held until ${heldUntil(job)}`], [job.unique, job.unique_until]] : null,
    job.priority ? ["Priority", number(job.priority), job.priority] : null,
  ].filter(Boolean);
}

function heldUntil(job) {
  if (job.unique_until !== null) return moment(job.unique_until);
  return job.unique_for === "queued" ? "it starts" : "it has ended";
}

function payload(said, name) {
  const rest = said.length - said.text.length;
  return [
    el("pre", { tabindex: "0", "aria-label": name }, said.text),
    rest > 0 ? el("p", { class: "quiet" }, `${number(rest)} more characters: see \`sprag show ${id.slice(0, 13)}\`.`) : null,
  ];
}

async function act(verb) {
  if (data === null) return;
  if (!data.job.can.includes(verb)) {
    outcome(`This job is ${data.job.state}: it cannot be ${VERBS[verb].cannot}.`, true);
  } else if ((await moveNamed(verb, [id])) && verb === "delete") {
    location.assign(address("jobs", { queue: data.job.queue }));
  } else refresher.ask();
}

function hear({ moved, signal }) {
  if (moved || data === null || signal.seq > seq) refresher.ask();
  else showProgress(signal.status, signal.progress);
}

shortcut("c", "Cancel the job", () => act("cancel"));
shortcut("r", "Run the job again", () => act("requeue"));
shortcut("n", "Run the job now", () => act("run-now"));
shortcut("d", "Delete the job", () => act("delete"));
shortcut("t", "Fold or unfold the traceback", () => {
  const details = document.querySelector("#failure details");
  if (details) details.open = !details.open;
});
shortcut("u", "Up to the list of jobs", () => by("way").querySelector("a")?.click());
listen(id, hear);
// That a job is over its time limit is no move.
setInterval(() => data?.job.status === "running" && refresher.ask(), 10_000);
refresher.ask();
