// @ts-check
/**
 * Values of a state, as markup reads them.
 */

/** @param {unknown} value @param {string | undefined} name */
export function has(value, name) {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name ?? "");
}

/** @param {unknown} value @param {string[]} names */
export function walk(value, names) {
  for (const name of names) value = has(value, name) ? /** @type {any} */ (value)[name] : undefined;
  return value;
}

/** As Python has it: nothing, zero, and whatever is empty are false. @param {unknown} value */
export function isTrue(value) {
  if (typeof value !== "object" || value === null) return Boolean(value);
  return Object.keys(value).length > 0;
}

/** What a place in the page can show of a value. @param {unknown} value */
export function plain(value) {
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return value ?? null;
}
