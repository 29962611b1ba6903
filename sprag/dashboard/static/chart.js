// How fast jobs came and ended: bars over time, drawn as SVG.

import { el, svg } from "./dom.js";
import { number } from "./words.js";

const TOP = 8;
const BOTTOM = 20;
const MARGIN = 10;
const DIGIT = 7.5; // how wide a character of the axis is, at most
const LEAST = 3; // so that one failure can be seen beside a thousand completed jobs

const NAMES = ["completed", "failed", "enqueued"];

/** The sum of some counts. */
export const total = (counts) => counts.reduce((sum, count) => sum + count, 0);

/** The sum of all queues' series, or one queue's: {enqueued, completed, failed}. */
export function seriesOf(pace, queue = null) {
  const sum = { enqueued: [], completed: [], failed: [] };
  const slots = Math.round(pace.span / pace.width);
  for (const name of Object.keys(sum)) {
    sum[name] = new Array(slots).fill(0);
    for (const [of, series] of Object.entries(pace.queues)) {
      if (queue !== null && of !== queue) continue;
      (series[name] ?? []).forEach((count, slot) => (sum[name][slot] += count));
    }
  }
  return sum;
}

/** What the colours of a chart mean, with the sum of each. */
export function legend(pace) {
  const series = seriesOf(pace);
  const entries = NAMES.map((name) =>
    el("li", { class: name }, el("b", {}, number(total(series[name]))), ` ${name}`),
  );
  const known = pace.known_since > pace.since
    ? el("p", { class: "quiet" }, pace.more
      ? `Counted back to ${clockTime(pace.known_since, 0)} so far…`
      : `Only what happened since ${clockTime(pace.known_since, 0)} is counted.`)
    : null;
  return [el("ul", { class: "legend" }, entries), known];
}

/** The chart of a pace, of a size in pixels. */
export function chart(pace, width, tall) {
  const height = Math.max(tall, 100);
  const series = seriesOf(pace);
  const words = NAMES.map((name) => `${total(series[name])} ${name}`).join(", ");
  const slots = series.completed.length;
  const tallest = Math.max(
    ...series.completed.map((count, slot) => count + series.failed[slot]),
    ...series.enqueued,
  );
  const most = niceTop(tallest);
  const marks = [0, 0.5, 1].filter((part) => part === 1 || (part === 0.5 && most % 2 === 0));
  const left = MARGIN + DIGIT * Math.max(...marks.map((part) => short(most * part).length));
  const inner = Math.max(width - left, slots);
  const step = inner / slots;
  const plot = height - TOP - BOTTOM;
  const high = (count) => (count === 0 ? 0 : Math.max((plot * count) / most, LEAST));
  const floor = TOP + plot;
  const drawn = svg("svg", {
    class: "chart", width: left + inner, height, role: "img", "aria-label": words,
  });
  for (const part of [0, 0.5, 1]) {
    const y = floor - plot * part;
    drawn.append(svg("line", { class: "grid", x1: left, x2: left + inner, y1: y, y2: y }));
    if (marks.includes(part)) {
      drawn.append(svg("text", { x: left - 6, y: y + 4, class: "axis end" }, short(most * part)));
    }
  }
  for (let slot = 0; slot < slots; slot += 1) {
    const x = left + slot * step;
    const [done, failed] = [high(series.completed[slot]), high(series.failed[slot])];
    const bar = { x: x + step * 0.12, width: step * 0.76 };
    const group = svg("g", {});
    group.append(svg("title", {}, slotWords(pace, series, slot)));
    group.append(svg("rect", { class: "slot", x, y: TOP, width: step, height: plot }));
    if (done) group.append(svg("rect", { class: "completed", ...bar, y: floor - done, height: done }));
    if (failed) {
      const y = Math.max(floor - done - failed, 0);
      group.append(svg("rect", { class: "failed", ...bar, y, height: failed }));
    }
    drawn.append(group);
  }
  const points = series.enqueued.map((count, slot) => {
    const y = floor - (plot * count) / most;
    return `${left + slot * step},${y} ${left + (slot + 1) * step},${y}`;
  });
  drawn.append(svg("polyline", { class: "enqueued", points: points.join(" ") }));
  for (const [part, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
    const text = part === 1 ? "now" : clockTime(pace.since + part * pace.span, pace.span);
    const x = left + inner * part;
    drawn.append(svg("text", { x, y: height - 4, class: `axis ${anchor}` }, text));
  }
  return drawn;
}

/** A queue's pace as a small picture; its words are beside it. */
export function spark(pace, queue) {
  const series = seriesOf(pace, queue);
  const [width, height] = [120, 28];
  const slots = series.completed.length;
  const most = Math.max(...series.completed.map((count, slot) => count + series.failed[slot]), 1);
  const drawn = svg("svg", {
    class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true",
  });
  series.completed.forEach((count, slot) => {
    const step = width / slots;
    const bar = { x: slot * step + 0.2, width: step - 0.4 };
    const failed = series.failed[slot];
    const done = count && Math.max((height * count) / most, 1.5);
    const bad = failed && Math.max((height * failed) / most, 2.5);
    if (done) drawn.append(svg("rect", { class: "completed", ...bar, y: height - done, height: done }));
    if (bad) {
      const y = Math.max(height - done - bad, 0);
      drawn.append(svg("rect", { class: "failed", ...bar, y, height: bad }));
    }
  });
  return drawn;
}

function slotWords(pace, series, slot) {
  const at = clockTime(pace.since + slot * pace.width, 0);
  const said = NAMES.map((n) => `${number(series[n][slot])} ${n}`);
  return `${at}: ${said.join(", ")}`;
}

function niceTop(count) {
  if (count <= 4) return 4;
  const scale = 10 ** Math.floor(Math.log10(count));
  return [1, 2, 4, 5, 10].map((n) => n * scale).find((top) => top >= count);
}

function short(count) {
  if (count < 1e4) return number(count);
  return count < 1e6 ? `${number(count / 1e3)}k` : `${number(count / 1e6)}M`;
}

function clockTime(at, span) {
  const date = new Date(at * 1000);
  const time = { hour: "2-digit", minute: "2-digit" };
  if (span >= 86400) return date.toLocaleString(undefined, { weekday: "short", ...time });
  return date.toLocaleTimeString(undefined, time);
}
