// A row of the list of jobs, which stays the same element while its job moves on.

import { el, show } from "./dom.js";
import { address } from "./net.js";
import { attemptsOf, attemptWords, badge, capital, clock, duration, errorWords, nameOf, percentOf, progressWords, since } from "./words.js";

/** {element, update(job, picked, unknown), mark(picked)}; `pick(id, on)` is told of the box. */
export function row(id, pick) {
  const box = el("input", { type: "checkbox", on: { change: () => pick(id, box.checked) } });
  const link = el("a", { href: address(`jobs/${id}`) });
  const under = el("span", { class: "under" });
  const [state, says, tries, when] = ["state", "says", "tries", "when"].map((name) => el("td", { class: name }));
  const element = el("tr", { "data-id": id },
    el("td", { class: "pick" }, box), state,
    el("th", { scope: "row", class: "name" }, link, under), says, tries, when);

  function mark(on) {
    box.checked = on;
    element.classList.toggle("on", on);
  }
  function update(job, on, unknown) {
    mark(on);
    element.dataset.state = job.state;
    const name = nameOf(job);
    box.setAttribute("aria-label", `Select ${name}`);
    if (link.textContent !== name) link.textContent = name;
    link.classList.toggle("data", !job.label);
    const ended = job.finished_at !== null && job.seconds !== null;
    show(under, [job.queue, ended, job.seconds], () => [
      el("span", {}, job.queue), job.task ? el("span", { class: "task" }, job.task) : null, el("code", {}, id.slice(0, 13)),
      ended ? el("span", {}, `took ${duration(job.seconds)}`) : null]);
    show(state, job.state, () => badge(job.state));
    show(says, [job.state, job.error, job.progress, job.result, job.due_at, job.overdue, unknown], () =>
      unknown ? el("span", { class: "late" }, unknown) : words(job));
    const many = job.max_attempts > 1 || job.attempt > 1;
    show(tries, [job.attempt, job.max_attempts, job.crashes], () =>
      el("span", { title: capital(attemptWords(job)) }, many ? attemptsOf(job).join("/") : ""));
    show(when, job.moved_at, () => since(job.moved_at));
  }
  return { element, update, mark };
}

function words(job) {
  if (job.error) {
    const due = job.state === "retrying" ? ["Due ", since(job.due_at), ": "] : [];
    return el("span", { class: "error", title: errorWords(job.error) }, due, errorWords(job.error));
  }
  if (job.state === "lost") return el("span", { class: "error" }, "Its process died.");
  if (job.status === "queued" && job.due_at > clock()) {
    return el("span", { class: "quiet" }, "due ", since(job.due_at));
  }
  if (job.status === "running" || job.status === "cancelling") {
    const late = job.overdue ? el("span", { class: "late" }, "Over its time limit. ") : null;
    if (!job.progress) return [late, late ? null : el("span", { class: "quiet" }, "No progress reported yet")];
    const percent = percentOf(job.progress);
    return [
      late,
      el("progress", { max: 100, value: percent, "aria-label": "Progress" }),
      el("span", { class: "quiet" }, progressWords(job.progress)),
    ];
  }
  if (job.status === "completed" && job.result !== "null") return el("span", { class: "data" }, job.result);
  return "";
}
