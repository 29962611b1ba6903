// Elements without HTML: whatever a job says goes in as text.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `on` holds its listeners, true and false set or leave out an attribute. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Like el, but of SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element of this id. */
export const by = (id) => document.getElementById(id);

/** Show `children` in `parent` unless it shows the same already: a person may be reading,
 * selecting or focusing what is there. `said` is what they are made of. */
export function show(parent, said, make) {
  const text = JSON.stringify(said);
  if (parent.spragSaid === text) return;
  const focused = parent.contains(document.activeElement)
    ? document.activeElement.getAttribute("data-focus")
    : null;
  const open = [...parent.querySelectorAll("details[open]")].map((d) => d.dataset.focus);
  parent.spragSaid = text;
  parent.replaceChildren(...[make()].flat().filter(Boolean));
  for (const details of parent.querySelectorAll("details")) {
    if (open.includes(details.dataset.focus)) details.open = true;
  }
  if (focused) parent.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

let pressed = false;
const untilReleased = [];

/** Wait until no button of the pointer is held down: a press and its release on different elements
 * would be no click, so a page does not change in between. */
export const released = () => (pressed ? new Promise((done) => untilReleased.push(done)) : null);

function release() {
  pressed = false;
  for (const done of untilReleased.splice(0)) done();
}

addEventListener("pointerdown", () => (pressed = true), true);
// The click follows the end of the press in the same task.
for (const end of ["pointerup", "pointercancel", "blur"]) addEventListener(end, () => setTimeout(release), true);
