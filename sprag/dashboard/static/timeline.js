// A job's moves, as its journal has them.

import { el } from "./dom.js";
import { badge, duration, errorWords, EVENTS, moment, number, since } from "./words.js";

/** The table of moves, the first one on top; `earlier` ones are not shown. */
export function timeline(moves, earlier) {
  const titles = ["Event", "State", "After", "When", "Try", "Process"];
  return [
    earlier ? el("p", { class: "quiet" }, `${number(earlier)} earlier moves are not shown.`) : null,
    el("table", { class: "plain-table moves" },
      el("thead", {}, el("tr", {}, titles.map((title) => el("th", { scope: "col" }, title)))),
      el("tbody", {}, moves.map((move, at) => line(move, at ? moves[at - 1] : null)).flat())),
  ];
}

function line(move, previous) {
  const states = move.from_status ? [el("span", { class: "from" }, move.from_status), " → "] : [];
  const passed = previous ? `+${duration(move.at - previous.at)}` : "";
  const cells = el("tr", { class: move.error ? "bad" : "" },
    el("th", { scope: "row" }, EVENTS[move.event] ?? move.event),
    el("td", {}, states, badge(move.to_status)),
    el("td", { class: "number", "data-title": "after" }, passed),
    el("td", { "data-title": "" }, el("span", { title: moment(move.at) }, since(move.at))),
    el("td", { class: "number", "data-title": "try" }, move.attempt ? number(move.attempt) : ""),
    el("td", { "data-title": "" }, process(move.owner)));
  if (!move.error) return [cells];
  const words = errorWords(move.error);
  const told = move.error.traceback
    ? el("details", { "data-focus": `move-${move.seq}` },
        el("summary", {}, words), el("pre", { tabindex: "0", "aria-label": "Traceback" }, move.error.traceback))
    : words;
  return [cells, el("tr", { class: "bad told" }, el("td", { colspan: 6 }, told))];
}

function process(owner) {
  if (!owner) return "";
  if (owner.pid === null) return el("span", { class: "quiet" }, `process ${owner.id}, ended`);
  const state = owner.state === "alive" ? "" : `, ${owner.state}`;
  return el("span", { title: owner.host }, `pid ${owner.pid}${state}`);
}
