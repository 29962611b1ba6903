// What all pages have: shortcuts and their help, questions before a change, and its outcome.

import { by, el } from "./dom.js";

const KEYS_OFF = "sprag-keys-off";
const shortcuts = new Map();

/** Let a single key do something; `says` explains it in the help. Without `run`, the browser
 * already does it. */
export function shortcut(key, says, run) {
  shortcuts.set(key, { says, run });
}

/** Show the outcome of something; screen readers read it out. */
export function outcome(text, bad = false) {
  const place = by("outcome");
  place.classList.toggle("bad", bad);
  place.textContent = text;
  clearTimeout(outcome.timer);
  outcome.timer = setTimeout(() => (place.textContent = ""), bad ? 20000 : 8000);
}

/** Put a text into the clipboard, and say so. */
export async function copy(text, says) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch { // or there is no clipboard: in pages without HTTPS from another machine
    const field = el("textarea", { class: "unseen", readonly: true });
    document.body.append(field);
    field.value = text;
    field.select();
    done = document.execCommand("copy");
    field.remove();
  }
  outcome(done ? says : "This browser does not allow this page to copy.", !done);
}

let answered = () => {}; // called with the answer to the open question

/** True if the person says yes. A question that another one replaces is answered with no. With
 * `why`, the dialog also asks for a reason. */
export function confirmed(title, text, yes, bad = false, why = false) {
  const dialog = by("confirm");
  by("confirm-title").textContent = title;
  by("confirm-text").textContent = text;
  by("confirm-yes").textContent = yes;
  by("confirm-yes").classList.toggle("bad", bad);
  by("confirm-why").hidden = !why;
  by("confirm-reason").value = "";
  answered(false);
  dialog.returnValue = "no"; // what Escape leaves
  dialog.showModal();
  by(why ? "confirm-reason" : "confirm-yes").focus();
  return new Promise((done) => (answered = done));
}

by("confirm").addEventListener("close", ({ target: dialog }) => {
  // This event comes some time after the closing, when the next question may be open.
  if (!dialog.open) answered(dialog.returnValue === "yes");
});

function help() {
  const entries = [...shortcuts].map(([key, { says }]) => [
    el("dt", {}, el("kbd", {}, key)),
    el("dd", {}, says),
  ]);
  by("keys-list").replaceChildren(...entries.flat());
  by("keys-on").checked = localStorage.getItem(KEYS_OFF) === null;
  by("keys").showModal();
}

function typing(target) {
  const kinds = "textarea, select, [contenteditable], input:not([type=checkbox])";
  return target instanceof Element && target.closest(kinds) !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]") !== null) return;
  if (event.key === "Escape" && typing(event.target)) {
    event.target.blur();
    return;
  }
  if (typing(event.target) || localStorage.getItem(KEYS_OFF) !== null) return;
  const found = shortcuts.get(event.key);
  if (found?.run) {
    event.preventDefault();
    found.run();
  }
});

by("help").addEventListener("click", help);
by("keys-on").addEventListener("change", (event) => {
  if (event.target.checked) localStorage.removeItem(KEYS_OFF);
  else localStorage.setItem(KEYS_OFF, "1");
});

shortcut("/", "Search", () => by("text").select());
shortcut("?", "Show this help", help);
shortcut("o", "Go to the overview", () => document.querySelector(".brand").click());
