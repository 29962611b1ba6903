// A job's moves, as its journal has them.

import { el } from "./dom.js";
import { badge, dayOf, duration, errorWords, moment, moveWords, number, timeOfDay, zone } from "./words.js";

const LONG = 160;

/** The table of moves, the first one on top; `earlier` ones are not shown. */
export function timeline(moves, earlier) {
  const titles = ["Event", "State", "Time", "After", "Attempt", "Process"];
  return [
    el("p", { class: "quiet zone" }, `Times are in ${zone(moves[0].at)}.`),
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
    el("th", { scope: "row" }, moveWords(move)),
    el("td", {}, states, badge(move.to_status)),
    el("td", { class: "number", "data-title": "" }, time(move.at, previous?.at)),
    el("td", { class: "number", "data-title": "after" }, passed),
    el("td", { class: "number", "data-title": "attempt" }, move.attempt ? number(move.attempt) : ""),
    el("td", { "data-title": "" }, process(move.owner)));
  if (!move.error) return [cells];
  return [cells, el("tr", { class: "bad told" }, el("td", { colspan: 6 }, told(move.error, move.seq)))];
}

/** Why an attempt failed: two lines of it until someone opens it. */
function told(error, seq) {
  const words = errorWords(error);
  if (!error.traceback && words.length < LONG) return words;
  return el("details", { "data-focus": `move-${seq}` },
    el("summary", {}, el("span", { class: "clamped" }, words)),
    el("p", { class: "message", tabindex: "0", "aria-label": "Error" }, words),
    error.traceback
      ? el("pre", { tabindex: "0", "aria-label": "Traceback" }, error.traceback)
      : null);
}

/** The time of day, with the day if it is not the same as before. */
function time(at, before) {
  const day = before === undefined || dayOf(before) !== dayOf(at) ? `${dayOf(at)} ` : "";
  return el("time", { datetime: new Date(at * 1000).toISOString(), title: moment(at) },
    day ? el("span", { class: "quiet" }, day) : null, timeOfDay(at, true));
}

function process(owner) {
  if (!owner) return "";
  if (owner.pid === null) return el("span", { class: "quiet" }, `process ${owner.id}, ended`);
  const state = owner.state === "alive" ? "" : `, ${owner.state}`;
  return el("span", { title: owner.host }, `pid ${owner.pid}${state}`);
}
