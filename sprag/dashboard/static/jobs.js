// The list of jobs: by state, queue, text and time, which are all in the address.

import { moveMatching, moveNamed, VERBS } from "./actions.js";
import { by, el, show } from "./dom.js";
import { address, listen, read, Refresher } from "./net.js";
import { pauseWords } from "./pause.js";
import { offerPruning } from "./prune.js";
import { row } from "./row.js";
import { outcome, shortcut } from "./shell.js";
import { offerTimes } from "./times.js";
import { capital, counted, idleWords, jobs, number, setClock, STATES } from "./words.js";

const query = new URLSearchParams(location.search);
const QUEUED = ["ready", "scheduled", "retrying"];
const state = query.getAll("state").flatMap((name) => (name === "queued" ? QUEUED : [name]));
const one = (name) => query.get(name);
const filter = {
  state, queue: one("queue"), task: one("task"), text: one("text"), sort: one("sort"),
  by: one("by"), from: one("from"), until: one("until"),
};
const before = query.get("before");
const picked = new Set();
const rows = new Map(); // by job id
let data = { jobs: [], queues: {}, next: null };

const refresher = new Refresher(async () => {
  data = await read(address("data/jobs", { ...filter, before }));
  setClock(data.now);
  render();
});

function render() {
  const names = Object.keys(data.queues).sort();
  if (filter.queue && !names.includes(filter.queue)) names.push(filter.queue);
  show(by("queue"), names, () => ["", ...names].map((name) =>
    el("option", { value: name, selected: name === (filter.queue ?? "") }, name || "All queues")));
  const tasks = [...new Set([...Object.values(data.queues).flatMap((of) => [...of.tasks, ...of.unknown.map(({ task }) => task)]),
    filter.task])].filter(Boolean).sort();
  by("tasks").hidden = tasks.length === 0;
  show(by("task"), tasks, () => ["", ...tasks].map((name) =>
    el("option", { value: name, selected: name === (filter.task ?? "") }, name || "All tasks")));
  show(by("states"), data.queues, () => ["", ...Object.keys(STATES)].map(stateLink));
  showIdle();
  renderRows();
  renderEmpty();
  show(by("looked"), [data.cut, data.looked], () => looked());
  by("looked").hidden = !data.cut;
  show(by("pages"), data.next, pages);
  show(by("all"), [data.queues, data.jobs.length > 0], all);
  by("all").hidden = by("all").childElementCount === 0;
  renderPicked();
}

function renderRows() {
  const body = by("rows");
  const shown = data.jobs.map((job) => {
    const kept = rows.get(job.id) ?? row(job.id, pick);
    rows.set(job.id, kept);
    kept.update(job, picked.has(job.id), unknown(job));
    return kept.element;
  });
  const ids = new Set(data.jobs.map((job) => job.id));
  for (const [id, { element }] of rows) {
    if (ids.has(id)) continue;
    rows.delete(id);
    picked.delete(id);
    if (element.contains(document.activeElement)) {
      (element.nextElementSibling ?? element.previousElementSibling)?.querySelector("a").focus();
    }
    element.remove();
  }
  // Only what stands elsewhere is moved: moving takes the focus away.
  shown.forEach((element, at) => {
    if (body.children[at] !== element) body.insertBefore(element, body.children[at] ?? null);
  });
}

/** Why a job that is ready does not start, if that is because no process knows its task. */
const unknown = (job) => job.state === "ready" &&
  (data.queues[job.queue]?.unknown ?? []).find(({ task }) => task === job.task)?.words.split(": ")[1];

function showIdle() {
  const of = filter.queue ? { [filter.queue]: data.queues[filter.queue] } : data.queues;
  const says = (queue) => [idleWords(queue), ...queue.unknown.map(({ words }) => `${words}.`)].filter(Boolean);
  const idle = Object.entries(of).filter(([, queue]) => queue && (queue.paused || says(queue).length));
  show(by("idle"), idle.map(([name, queue]) => [name, queue.paused, says(queue)]), () =>
    idle.slice(0, 5).map(([name, queue]) => el("span", {}, filter.queue ? "" : `${name}: `,
      queue.paused ? [pauseWords(queue.paused), ". "] : `${says(queue).join(" ")} `)));
  by("idle").hidden = idle.length === 0;
}

function renderEmpty() {
  const none = data.jobs.length === 0;
  by("jobs").hidden = none;
  by("empty").hidden = !none;
  if (!none) return;
  show(by("empty"), [Object.keys(data.queues).length, data.cut], () => {
    if (Object.keys(data.queues).length === 0) {
      return el("p", {}, "No jobs yet. Enqueue one from your application, or with `sprag enqueue`.");
    }
    if (data.cut && data.next) return el("p", {}, "Nothing so far. Search further below.");
    return el("p", {}, "No job matches. ", el("a", { href: address("jobs") }, "Show all jobs"));
  });
}

function looked() {
  const sorted = `The list is sorted among only ${jobs(data.looked)}; there are more.`;
  return data.next ? `Searched ${jobs(data.looked)} so far, and stopped there to answer in time.` : sorted;
}

/** [how many jobs of these states there are, whether there are more]. */
function count(states) {
  const queues = filter.queue ? [data.queues[filter.queue]] : Object.values(data.queues);
  const known = queues.filter(Boolean);
  const sum = known.reduce((all, of) => all + states.reduce((n, s) => n + (of.counts[s] ?? 0), 0), 0);
  return [sum, known.some((of) => of.at_least.some((s) => states.includes(s)))];
}

function stateLink(name) {
  const current = name === "" ? state.length === 0 : state.includes(name);
  const [many, more] = count(name === "" ? Object.keys(STATES) : [name]);
  if (name === "lost" && !many && !current) return null;
  return el("a",
    { class: `${name} ${many ? "some" : "none"}`, "data-focus": name || "any", title: STATES[name],
      href: address("jobs", { ...filter, state: name }), "aria-current": current ? "true" : null },
    name === "" ? "All" : capital(name), " ", el("b", {}, counted(many, more)));
}

const SORTED = { oldest: "The oldest first", due: "The next due first", longest: "The longest run first" };

function pages() {
  const newest = before ? "Older jobs" : "The latest accepted first";
  const links = [el("span", { class: "quiet" }, SORTED[filter.sort] ?? newest)];
  if (before) links.push(el("a", { href: address("jobs", filter), class: "button" }, filter.sort === "oldest" ? "Oldest" : "Newest"));
  if (data.next) {
    const further = data.cut ? "Search further" : filter.sort === "oldest" ? "Newer" : "Older";
    links.push(el("a", { href: address("jobs", { ...filter, before: data.next }), class: "button", rel: "next" }, further));
  }
  return links;
}

/** What can be done with all that match: only where it is clear which jobs that are. */
function all() {
  if (data.jobs.length === 0 || state.length === 0) return [];
  const narrowed = Boolean(filter.text || filter.task || filter.from || filter.until);
  return Object.entries(VERBS)
    .map(([verb, { question, from }]) => {
      const states = state.filter((name) => from.includes(name));
      const [many, more] = narrowed ? [null, false] : count(states);
      if (states.length === 0 || many === 0) return null;
      const { queue, task, text, by: which, from: since, until } = filter;
      const match = { states, queue, task, text: text ?? "", by: which, from: since, until };
      const says = question(many === null ? "all that match" : `all ${counted(many, more)}`).replace("?", "…");
      const act = async () => {
        await moveMatching(verb, match, many, more);
        refresher.ask();
      };
      return el("button", { type: "button", "data-focus": verb, on: { click: act } }, says);
    })
    .filter(Boolean);
}

function pick(id, on) {
  if (on) picked.add(id);
  else picked.delete(id);
  rows.get(id)?.mark(on);
  renderPicked();
}

/** Those of these jobs with which this can be done. */
const able = (verb, ids) => data.jobs.filter((job) => ids.has(job.id) && job.can.includes(verb)).map(({ id }) => id);

function renderPicked() {
  const size = picked.size;
  by("picked").hidden = size === 0;
  document.body.classList.toggle("picking", size > 0);
  by("pick-all").checked = size > 0 && size === data.jobs.length;
  by("pick-all").indeterminate = size > 0 && size < data.jobs.length;
  const verbs = Object.keys(VERBS).map((verb) => [verb, able(verb, picked).length]).filter(([, many]) => many);
  show(by("picked"), [size, verbs], () => [
    el("span", {}, `${jobs(size)} selected`),
    ...verbs.map(([verb, many]) =>
      el("button", { type: "button", "data-focus": verb, on: { click: () => act(verb) } },
        many === size ? `${VERBS[verb].name}…` : `${VERBS[verb].name} ${number(many)} of ${number(size)}…`)),
    el("button", { type: "button", class: "plain", "data-focus": "clear", on: { click: clear } }, "Clear"),
  ]);
}

function clear() {
  for (const id of [...picked]) pick(id, false);
}

/** Do it to the selected jobs, or to the one that has the focus: to those with which it can be
 * done. */
async function act(verb) {
  const id = current()?.dataset.id;
  const chosen = picked.size ? picked : new Set(id ? [id] : []);
  const ids = able(verb, chosen);
  if (chosen.size && ids.length === 0) {
    outcome(`None of these jobs can be ${VERBS[verb].cannot}.`, true);
  } else if (ids.length) {
    if (await moveNamed(verb, ids, chosen.size)) clear();
    refresher.ask();
  }
}

const current = () => document.activeElement?.closest("tr[data-id]");

function move(by_) {
  const list = [...by("rows").children];
  const at = list.indexOf(current());
  const next = at < 0 ? 0 : Math.min(Math.max(at + by_, 0), list.length - 1);
  list[next]?.querySelector("a").focus();
}

by("text").value = filter.text ?? "";
for (const [name, values] of Object.entries({ ...filter, text: null })) {
  for (const value of [values].flat()) {
    if (value) by("search").append(el("input", { type: "hidden", name, value }));
  }
}
by("queue").addEventListener("change", (event) => {
  location.assign(address("jobs", { ...filter, queue: event.target.value }));
});
by("task").addEventListener("change", (event) => {
  location.assign(address("jobs", { ...filter, task: event.target.value }));
});
by("sort").value = filter.sort ?? "";
by("sort").addEventListener("change", (event) => {
  location.assign(address("jobs", { ...filter, sort: event.target.value }));
});
by("pick-all").addEventListener("change", (event) => {
  const on = event.target.checked; // which each pick sets anew
  for (const { id } of data.jobs) pick(id, on);
});
document.title = `${state.map(capital).join(", ") || "Jobs"}${filter.queue ? ` in ${filter.queue}` : ""} · sprag`;

offerTimes(filter);
offerPruning(() => [Object.keys(data.queues).sort(), filter.queue], () => refresher.ask());
shortcut("j", "Next job", () => move(1));
shortcut("k", "Previous job", () => move(-1));
shortcut("Enter", "Open the job", null);
shortcut("x", "Select the job", () => {
  const id = current()?.dataset.id;
  if (id) pick(id, !picked.has(id));
});
shortcut("c", "Cancel the job, or all selected", () => act("cancel"));
shortcut("n", "Run the job now, or all selected", () => act("run-now"));
shortcut("r", "Run the job again, or all selected", () => act("requeue"));
shortcut("d", "Delete the job, or all selected", () => act("delete"));
shortcut("Escape", "Clear the selection", clear);
listen(null, () => refresher.ask());
refresher.ask();
