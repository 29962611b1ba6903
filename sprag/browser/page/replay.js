// @ts-check
/**
 * What people did before the modules had started, sent again.
 *
 * @typedef {import("./types.js").Held} Held
 * @typedef {import("./types.js").Was} Was
 */
import { report, written } from "./console.js";

/** @type {WeakMap<Event, Map<Element, Was>>} */
const replayed = new WeakMap();

/**
 * What was in a field when an event happened that is replayed only now.
 * @param {Event} event
 * @param {Element} element
 * @returns {Was | undefined}
 */
export function wasThen(event, element) {
  return replayed.get(event)?.get(element);
}

/** Send the events that early.js has held. @param {boolean} isAlive  whether a module has started */
export function sendAgain(isAlive) {
  const early = /** @type {any} */ (globalThis).spragEarly;
  /** @type {Held[]} */
  const held = early?.take() ?? [];
  let lost = early?.lost ?? 0;
  for (const { event, target, again, was } of held) {
    if (!isAlive || !target.isConnected) {
      lost += 1;
      continue;
    }
    try {
      if (event instanceof SubmitEvent && target instanceof HTMLFormElement) {
        const { submitter } = event; // which may have left the form
        const own = submitter instanceof HTMLElement && [...target.elements].includes(submitter);
        target.requestSubmit(own ? submitter : null);
        continue;
      }
      const copy = again || event.type !== "click" ? copied(event, was.get(target)) : plainClick();
      replayed.set(copy, was);
      target.dispatchEvent(copy);
    } catch (error) {
      lost += 1;
      report(`could not replay an early ${event.type} of ${written(target)}:`, error);
    }
  }
  if (lost) report(`events from before the page had started were dropped: ${lost}`);
}

/** @param {Event} event @param {Was | undefined} was @returns {Event} */
function copied(event, was) {
  const kind = /** @type {typeof Event} */ (event.constructor);
  if (!(event instanceof DragEvent)) return new kind(event.type, event);
  const dataTransfer = new DataTransfer(); // that of the event is empty by now
  for (const file of was?.files ?? []) dataTransfer.items.add(file);
  const { bubbles, cancelable, clientX, clientY } = event;
  return new DragEvent(event.type, { bubbles, cancelable, clientX, clientY, dataTransfer });
}

/** A click for handlers only: it is not a MouseEvent, so no checkbox changes a second time. */
function plainClick() {
  return new Event("click", { bubbles: true, cancelable: true });
}
