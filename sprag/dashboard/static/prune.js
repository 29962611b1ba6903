// Delete old finished jobs: first says how many there are, then deletes them.

import { by, el } from "./dom.js";
import { send } from "./net.js";
import { outcome } from "./shell.js";
import { counted, jobs } from "./words.js";

/** Let people do so. `chosen()` gives [the names of queues, the one that is shown]; `done()` is
 * called when jobs were deleted. */
export function offerPruning(chosen, done) {
  const dialog = by("prune");
  const form = by("prune-form");
  const said = by("prune-said");
  const button = by("prune-do");
  let wish = null; // what was counted, and so may be deleted

  by("prune-open").addEventListener("click", () => {
    const [names, queue] = chosen();
    form.elements.queue.replaceChildren(...["", ...names].map((name) =>
      el("option", { value: name, selected: name === (queue ?? "") }, name || "All queues")));
    forget();
    dialog.showModal();
  });
  by("prune-close").addEventListener("click", () => dialog.close());
  form.addEventListener("input", forget);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await (wish === null ? count() : prune());
    } catch (error) {
      said.textContent = error.message;
    }
    button.disabled = false;
  });

  function forget() {
    wish = null;
    said.textContent = "";
    label("Count them", false);
  }
  function label(text, bad) {
    button.textContent = text;
    button.classList.toggle("bad", bad);
    button.classList.toggle("main", !bad);
  }
  async function count() {
    const { queue, age, unit, keep } = form.elements;
    const asked = {
      queue: queue.value || null,
      older_than: age.value === "" ? null : Number(age.value) * Number(unit.value),
      keep: keep.value === "" ? null : Number(keep.value),
    };
    if (asked.older_than === null && asked.keep === null) {
      said.textContent = "Say how old they must be, or how many to keep.";
      return;
    }
    const { count: number, all } = await send("prune", { ...asked, only_count: true });
    if (number === 0 && all) {
      said.textContent = "No job would be deleted.";
      return;
    }
    wish = asked;
    said.textContent = `${counted(number, !all)} finished ${number === 1 && all ? "job" : "jobs"} would be deleted, with their history. This cannot be undone.`;
    label(`Delete ${all ? jobs(number) : `${counted(number, true)} jobs`}`, true);
  }
  async function prune() {
    let total = 0;
    let more = true;
    while (more && dialog.open) {
      const answer = await send("prune", wish);
      total += answer.done;
      more = answer.more;
      said.textContent = `${jobs(total)} deleted so far…`;
    }
    if (dialog.open) dialog.close();
    outcome(`${jobs(total)} deleted.${more ? " Stopped: there are more." : ""}`);
    done();
  }
}
