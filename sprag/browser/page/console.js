// @ts-check
/**
 * The console: what is wrong, and where in the markup.
 */

/** @param {string} message @param {unknown[]} more */
export function report(message, ...more) {
  console.error(`sprag: ${message}`, ...more);
}

/** @param {Element} element @param {string} attribute @param {string} problem */
export function complain(element, attribute, problem) {
  report(`${written(element, attribute)} ${problem}`);
}

/** Like `complain`, but about something that may be right. @param {Element} element
 * @param {string} attribute @param {string} problem */
export function doubt(element, attribute, problem) {
  console.warn(`sprag: ${written(element, attribute)} ${problem}`);
}

/** An element as a person finds it in the markup. @param {Element} element @param {string} [name] */
export function written(element, name = "") {
  const part = (/** @type {Element} */ at, /** @type {string} */ attribute) =>
    at.hasAttribute(attribute) ? ` ${attribute}="${at.getAttribute(attribute)}"` : "";
  const around = element.id ? null : element.parentElement?.closest("[id]");
  const tag = `<${element.localName}${part(element, "id")}${part(element, "class")}>`;
  const place = around ? ` in <${around.localName}${part(around, "id")}>` : "";
  return `${tag}${place}${part(element, name) || ` ${name}`}`.trimEnd();
}
