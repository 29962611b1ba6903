// The first page: what failed, the pace, the state of each queue, and the processes.

import { chart, legend, seriesOf, spark, total } from "./chart.js";
import { by, el, show } from "./dom.js";
import { address, listen, read, Refresher } from "./net.js";
import { pauseButton, pauseWords } from "./pause.js";
import { showSchedules } from "./schedules.js";
import { shortcut } from "./shell.js";
import { badge, capital, counted, duration, errorWords, idleWords, jobs, nameOf, number, setClock, since, STATES } from "./words.js";

const SPANS = { 900: "15 min", 3600: "1 h", 86400: "24 h" };
const span = new URLSearchParams(location.search).get("span") in SPANS
  ? new URLSearchParams(location.search).get("span")
  : "3600";
let data = null;

const refresher = new Refresher(async () => {
  data = await read(address("data/overview", { span }));
  setClock(data.now);
  render();
});

function render() {
  const states = Object.keys(STATES).filter((state) => state !== "lost" || data.counts.lost);
  show(by("totals"), [data.counts, data.at_least], () => states.map((state) =>
    sumOf(state, data.counts[state], data.at_least.includes(state))));
  show(by("failures"), data.failures, failures);
  drawPace();
  show(by("queues"), [data.queues.map(({ wait, ...rest }) => [rest, wait && Math.round(wait)]), data.pace], queues);
  showSchedules(data.schedules, () => refresher.ask());
  show(by("processes"), data.processes, processes);
  warn();
  if (data.pace.more) refresher.ask();
}

function sumOf(state, count, atLeast) {
  return el(
    "li",
    { class: `${state} ${count ? "some" : "none"}` },
    el("a", { href: address("jobs", { state }), "data-focus": state, title: STATES[state] },
      el("b", {}, counted(count, atLeast)), el("span", {}, capital(state))),
  );
}

function failures() {
  if (data.failures.length === 0) {
    return el("p", { class: "good" }, "No job has failed. Failures will be listed here, with their errors.");
  }
  const list = el("ol", { class: "failures" }, data.failures.map(failure));
  return [list, el("p", { class: "more" }, el("a", { href: address("jobs", { state: "failed" }), "data-focus": "all-failed" }, "All failed jobs"))];
}

function failure(job) {
  const text = (job.error?.message ?? "").split("\n")[0].slice(0, 120);
  const others = job.alike - 1;
  const alike = others > 0
    ? el("a", { class: "alike", "data-focus": `alike-${job.id}`, href: address("jobs", { state: "failed", queue: job.queue, text: text || job.error?.type }) },
        `+${number(others)} alike`)
    : null;
  return el(
    "li",
    {},
    el("a", { href: address(`jobs/${job.id}`), class: "why", "data-focus": job.id },
      el("b", {}, job.error?.type || "Error"), " ", el("span", {}, job.error ? job.error.message : "no error was stored")),
    el("p", { class: "quiet" },
      el("span", { class: "name" }, nameOf(job)), job.task ? el("span", {}, job.task) : null, el("span", {}, job.queue),
      since(job.moved_at), alike),
  );
}

function drawPace() {
  show(by("legend"), data.pace, () => legend(data.pace));
  const { clientWidth: width, clientHeight: height } = by("pace");
  show(by("pace"), [data.pace, width, height], () => chart(data.pace, width, height));
}

function queues() {
  if (data.queues.length === 0) {
    return el("div", { class: "empty panel" },
      el("p", {}, "No jobs yet. Enqueue one from your application, or from a terminal:"),
      el("pre", {}, 'sprag enqueue --queue thumbnails \'{"path": "a.jpg"}\''));
  }
  return data.queues.map(tile);
}

function tile(queue) {
  const idle = idleWords(queue);
  const waits = queue.wait !== null && queue.wait >= 1;
  const series = seriesOf(data.pace, queue.name);
  const [completed, failed] = [total(series.completed), total(series.failed)];
  const pace = completed + failed
    ? `${number(completed)} completed, ${number(failed)} failed in ${SPANS[span]}`
    : `Nothing ended in ${SPANS[span]}`;
  return el(
    "section",
    { class: "panel queue", "aria-label": `Queue ${queue.name}` },
    el("h3", {}, el("a", { href: address("jobs", { queue: queue.name }), "data-focus": `q-${queue.name}` }, queue.name)),
    spark(data.pace, queue.name),
    el("ul", { class: "counts" }, Object.keys(STATES).filter((s) => queue.counts[s] || ["ready", "running", "failed"].includes(s)).map((state) =>
      el("li", { class: `${state} ${queue.counts[state] ? "some" : "none"}` },
        el("a", { href: address("jobs", { queue: queue.name, state }), "data-focus": `q-${queue.name}-${state}` },
          el("b", {}, counted(queue.counts[state], queue.at_least.includes(state))), ` ${state}`)))),
    el("p", { class: "quiet" }, pace),
    queue.times ? times(queue.times) : null,
    idle ? el("p", { class: "late" }, idle) : null,
    queue.unknown.map(({ words }) => el("p", { class: "late" }, words)),
    waits && !idle && !queue.paused ? el("p", { class: queue.wait > 60 ? "late" : "quiet" }, `The next job has been ready for ${duration(queue.wait)}`) : null,
    el("p", { class: "pause" }, queue.paused ? pauseWords(queue.paused) : null, pauseButton(queue, () => refresher.ask())),
  );
}

/** How long the last runs took, and how long they waited for a worker. */
function times({ runs, ran, waited }) {
  const line = (name, { p50, p95 }, title) => el("tr", { title },
    el("th", { scope: "row" }, name), el("td", {}, duration(p50)), el("td", {}, duration(p95)));
  return el("table", { class: "times-table" },
    el("caption", { class: "unseen" }, `The last ${jobs(runs)} that ended`),
    el("thead", {}, el("tr", {},
      el("th", { scope: "col", class: "quiet" }, runs === 1 ? "Last run" : `Last ${number(runs)} runs`),
      el("th", { scope: "col", title: "Half of them took no longer" }, "p50"),
      el("th", { scope: "col", title: "95 of 100 took no longer" }, "p95"))),
    el("tbody", {},
      line("Duration", ran, "From the start of a run to its end"),
      line("Waiting", waited, "From when a job was ready until it started")));
}

function processes() {
  if (data.processes.length === 0) {
    return el("p", { class: "quiet" }, "No process runs jobs at the moment. Start the application, or `sprag work`.");
  }
  return el("table", { class: "plain-table" },
    el("thead", {}, el("tr", {}, ["Process", "State", "Workers", "Since"].map((title) => el("th", { scope: "col" }, title)))),
    el("tbody", {}, data.processes.map((process) => el("tr", {},
      el("th", { scope: "row" }, process.pid === null ? `process ${process.id}` : `pid ${process.pid} on ${process.host}`),
      el("td", {}, el("span", { class: `badge ${process.state}` }, capital(process.state)), doubt(process)),
      el("td", {}, load(process)),
      el("td", {}, process.started_at === null ? "" : since(process.started_at))))));
}

/** Why nobody can tell whether a process lives, and what to do then. */
function doubt({ state, reason, remedy }) {
  if (state === "gone") return el("p", { class: "quiet" }, "Jobs name this process, but the file has no record of it: see `sprag check`.");
  const said = [reason, remedy].filter(Boolean).map((text) => `${capital(text)}.`);
  return said.length ? el("p", { class: "quiet" }, said.join(" ")) : null;
}

/** How many workers are busy, and which queues they are for. */
function load({ state, jobs: held, workers }) {
  const queues = Object.entries(workers);
  if (state !== "alive") return held ? `${jobs(held)} not ended` : "";
  if (queues.length === 0) return held ? jobs(held) : "none";
  const all = total(queues.map(([, count]) => count));
  const named = queues.map(([name, count]) => `${name} ${number(count)}`).join(", ");
  return [`${number(held)} of ${number(all)} busy`, el("p", { class: "quiet" }, named)];
}

function warn() {
  const idle = data.queues.filter((queue) => idleWords(queue) !== null).map(({ name }) => name);
  const strange = data.queues.flatMap(({ name, unknown }) => unknown.map(({ words }) => `${name}: ${words}`));
  const states = data.processes.map(({ state }) => state);
  const texts = [];
  if (idle.length) texts.push(`Jobs wait in ${named(idle)}, and no process runs ${idle.length === 1 ? "that queue" : "those queues"}: start the application, or \`sprag work\`.`);
  const late = data.schedules.filter((schedule) => schedule.late).map(({ name }) => name);
  if (late.length) texts.push(`${late.length === 1 ? "A schedule is" : "Schedules are"} late: ${named(late)}. See below.`);
  texts.push(...strange.slice(0, 5).map((text) => `${text}. Start one that does, or cancel the jobs.`));
  if (states.includes("dead")) texts.push("A process died. Its jobs are put back in the queue as soon as another process runs jobs of this file.");
  if (states.includes("unknown")) texts.push("It is not known if a process is alive, so its jobs stay as they are: see the processes below.");
  by("warning").hidden = texts.length === 0;
  show(by("warning"), texts, () => texts.map((text) => el("p", {}, text)));
}

const named = (names) => names.slice(0, 5).join(", ") + (names.length > 5 ? ", …" : "");

by("spans").append(...Object.entries(SPANS).map(([seconds, name]) =>
  el("a", { href: address("", { span: seconds }), "aria-current": seconds === span ? "true" : null }, name)));

function move(by_) {
  const links = [...document.querySelectorAll("#failures .why")];
  const at = links.indexOf(document.activeElement);
  links[Math.min(Math.max(at + by_, 0), links.length - 1)]?.focus();
}

shortcut("j", "Next failure", () => move(1));
shortcut("k", "Previous failure", () => move(-1));
shortcut("Enter", "Open what has the focus", null);
new ResizeObserver(() => data && drawPace()).observe(by("pace"));
listen(null, (news) => news.moved && refresher.ask());
refresher.ask();
