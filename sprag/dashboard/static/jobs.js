// The list of jobs: by state, queue and text, which are all in the address.

import { moveMatching, moveNamed, VERBS } from "./actions.js";
import { by, el, show } from "./dom.js";
import { address, listen, read, Refresher } from "./net.js";
import { row } from "./row.js";
import { shortcut } from "./shell.js";
import { capital, jobs, number, setClock, STATES } from "./words.js";

const query = new URLSearchParams(location.search);
const filter = { state: query.getAll("state"), queue: query.get("queue"), text: query.get("text") };
const before = query.get("before");
const picked = new Set();
const rows = new Map(); // by job id
let data = { jobs: [], counts: {}, next: null };

const refresher = new Refresher(async () => {
  data = await read(address("data/jobs", { ...filter, before }));
  setClock(data.now);
  render();
});

function render() {
  const names = Object.keys(data.counts).sort();
  if (filter.queue && !names.includes(filter.queue)) names.push(filter.queue);
  show(by("queue"), names, () => ["", ...names].map((name) =>
    el("option", { value: name, selected: name === (filter.queue ?? "") }, name || "All queues")));
  show(by("states"), data.counts, () => ["", ...STATES].map(stateLink));
  renderRows();
  renderEmpty();
  show(by("looked"), [data.cut, data.looked], () =>
    `Looked through ${jobs(data.looked)} so far: it stops there to answer in time.`);
  by("looked").hidden = !data.cut;
  show(by("pages"), data.next, pages);
  show(by("all"), [data.counts, data.jobs.length > 0], all);
  by("all").hidden = by("all").childElementCount === 0;
  renderPicked();
}

function renderRows() {
  const body = by("rows");
  const shown = data.jobs.map((job) => {
    const kept = rows.get(job.id) ?? row(job.id, pick);
    rows.set(job.id, kept);
    kept.update(job, picked.has(job.id));
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

function renderEmpty() {
  const none = data.jobs.length === 0;
  by("jobs").hidden = none;
  by("empty").hidden = !none;
  if (!none) return;
  show(by("empty"), [Object.keys(data.counts).length, data.cut], () => {
    if (Object.keys(data.counts).length === 0) {
      return el("p", {}, "No jobs yet. Enqueue one from your application, or with `sprag enqueue`.");
    }
    if (data.cut) return el("p", {}, "Nothing so far. Search further below.");
    return el("p", {}, "No job matches. ", el("a", { href: address("jobs") }, "Show all jobs"));
  });
}

function count(states) {
  const queues = filter.queue ? [data.counts[filter.queue] ?? {}] : Object.values(data.counts);
  return queues.reduce((sum, of) => sum + states.reduce((n, s) => n + (of[s] ?? 0), 0), 0);
}

function stateLink(state) {
  const current = state === "" ? filter.state.length === 0 : filter.state.includes(state);
  const many = count(state === "" ? STATES : [state]);
  return el("a",
    { class: `${state} ${many ? "some" : "none"}`, "data-focus": state || "any",
      href: address("jobs", { state, queue: filter.queue, text: filter.text }),
      "aria-current": current ? "true" : null },
    state === "" ? "All" : capital(state), " ", el("b", {}, number(many)));
}

function pages() {
  const links = [el("span", { class: "quiet" }, before ? "Older jobs" : "The latest accepted first")];
  if (before) links.push(el("a", { href: address("jobs", filter), class: "button" }, "Newest"));
  if (data.next) {
    const further = data.cut ? "Search further" : "Older";
    links.push(el("a", { href: address("jobs", { ...filter, before: data.next }), class: "button", rel: "next" }, further));
  }
  return links;
}

/** What can be done with all that match: only where it is clear which jobs that are. */
function all() {
  if (data.jobs.length === 0 || filter.state.length === 0) return [];
  return Object.entries(VERBS)
    .map(([verb, { question, from }]) => {
      const states = filter.state.filter((state) => from.includes(state));
      const many = filter.text ? null : count(states);
      if (states.length === 0 || many === 0) return null;
      const match = { states, queue: filter.queue, text: filter.text ?? "" };
      const says = question(many === null ? "all that match" : `all ${number(many)}`).replace("?", "…");
      const act = async () => { if (await moveMatching(verb, match, many)) refresher.ask(); };
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

function renderPicked() {
  const size = picked.size;
  by("picked").hidden = size === 0;
  document.body.classList.toggle("picking", size > 0);
  by("pick-all").checked = size > 0 && size === data.jobs.length;
  by("pick-all").indeterminate = size > 0 && size < data.jobs.length;
  show(by("picked"), size, () => [
    el("span", {}, `${jobs(size)} selected`),
    ...Object.entries(VERBS).map(([verb, { name }]) =>
      el("button", { type: "button", "data-focus": verb, on: { click: () => act(verb) } }, `${name}…`)),
    el("button", { type: "button", class: "plain", "data-focus": "clear", on: { click: clear } }, "Clear"),
  ]);
}

function clear() {
  for (const id of [...picked]) pick(id, false);
}

/** Do it to the selected jobs, or to the one that has the focus. */
async function act(verb) {
  const id = current()?.dataset.id;
  const ids = picked.size ? [...picked] : id ? [id] : [];
  if (ids.length && (await moveNamed(verb, ids))) {
    clear();
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
for (const [name, values] of Object.entries({ state: filter.state, queue: [filter.queue] })) {
  for (const value of values) {
    if (value) by("search").append(el("input", { type: "hidden", name, value }));
  }
}
by("queue").addEventListener("change", (event) => {
  location.assign(address("jobs", { ...filter, queue: event.target.value }));
});
by("pick-all").addEventListener("change", (event) => {
  const on = event.target.checked; // which each pick sets anew
  for (const { id } of data.jobs) pick(id, on);
});
document.title = `${filter.state.map(capital).join(", ") || "Jobs"}${filter.queue ? ` in ${filter.queue}` : ""} · sprag`;

shortcut("j", "Next job", () => move(1));
shortcut("k", "Previous job", () => move(-1));
shortcut("Enter", "Open the job", null);
shortcut("x", "Select the job", () => {
  const id = current()?.dataset.id;
  if (id) pick(id, !picked.has(id));
});
shortcut("c", "Cancel the job, or all selected", () => act("cancel"));
shortcut("r", "Run the job again, or all selected", () => act("requeue"));
shortcut("Escape", "Clear the selection", clear);
listen(null, () => refresher.ask());
refresher.ask();
