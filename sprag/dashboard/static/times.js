// The time range of the list of jobs: when they were accepted, or ended.

import { by, el } from "./dom.js";
import { address } from "./net.js";
import { clock, zone } from "./words.js";

const SPANS = { "Last hour": 3600, "Last 24 hours": 86400, "Last 7 days": 7 * 86400 };

/** Let people choose a span; what is chosen now is in `filter`. */
export function offerTimes(filter) {
  const form = by("times-form");
  const [which, from, until] = ["by", "from", "until"].map((name) => form.elements[name]);
  which.value = filter.by ?? "accepted";
  from.value = field(filter.from);
  until.value = field(filter.until);
  by("times").open = Boolean(filter.from || filter.until);
  by("times-zone").textContent = `Times are in ${zone(Date.now() / 1000)}.`;
  by("times-quick").append(...Object.entries(SPANS).map(([name, seconds]) =>
    el("button", { type: "button", on: { click: () => go(which.value, Math.floor(clock() - seconds)) } }, name)),
  el("button", { type: "button", class: "plain", on: { click: () => go(null) } }, "Any time"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(which.value, unix(from.value), unix(until.value));
  });

  function go(by_, since = null, end = null) {
    const chosen = since !== null || end !== null ? by_ : null;
    location.assign(address("jobs", { ...filter, by: chosen, from: since, until: end }));
  }
}

const unix = (text) => (text ? new Date(text).getTime() / 1000 : null);

/** A time as such a field has it: local, without a zone. */
function field(seconds) {
  const at = Number(seconds);
  if (!seconds || !Number.isFinite(at)) return "";
  const local = new Date(at * 1000 - new Date(at * 1000).getTimezoneOffset() * 60000);
  return local.toISOString().slice(0, 19);
}
