// @ts-check
/**
 * Names that are misspelt, and those that are meant.
 */

export const RARE = ["focusin", "focusout", "compositionstart", "compositionupdate", "compositionend",
  "DOMContentLoaded", "gesturestart", "gesturechange", "gestureend"];

/** The events that a browser has of itself. @param {Element} element */
export function eventsOf(element) {
  const found = [...RARE];
  for (const name in element) if (name.startsWith("on")) found.push(name.slice(2));
  return found;
}

/** The name that is meant by an attribute that is much like one of ours. @param {string} name */
export function misspelt(name) {
  const [, head, rest] = /^data-([a-z]+)(-.+)?$/.exec(name) ?? [];
  if (!head) return "";
  const ours = rest ? ["attr", "class", "on"] : ["text", "show", "each", "module"];
  if (ours.includes(head)) return "";
  // A changed letter does not count: data-test and data-next are names that people use.
  const letters = (/** @type {string} */ word) => [...word].sort().join("");
  const meant = ours.find((one) => one.length > 2 && distance(head, one) === 1 &&
    (one.length !== head.length || letters(one) === letters(head)));
  return meant ? `data-${meant}${rest ?? ""}` : "";
}

/** A question, if one of the names is much like this one. @param {string} name
 * @param {string[]} known */
export function asked(name, known) {
  const close = known
    .map((one) => ({ one, far: distance(name.toLowerCase(), one.toLowerCase()) }))
    .filter(({ one, far }) => far <= (Math.min(one.length, name.length) > 4 ? 2 : 1))
    .sort((one, other) => one.far - other.far)[0];
  return close ? `; did you mean ${close.one}?` : "";
}

/** How many letters were left out, added, changed or swapped. @param {string} one
 * @param {string} other */
function distance(one, other) {
  if (Math.abs(one.length - other.length) > 2) return 3;
  /** @type {number[][]} */
  const rows = [[...Array(other.length + 1).keys()]];
  for (let i = 1; i <= one.length; i += 1) {
    const row = (rows[i] = [i]);
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1];
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
        row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[one.length][other.length];
}
