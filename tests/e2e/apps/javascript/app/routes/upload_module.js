import { Module } from "./sprag.js";

export class UploadModule extends Module {
  onStart() {
    this.onSocket("sprag:queue.job.changed", this.onMove);
    this.onSocket("sprag:action.finished", ({ ok, value, error }) => {
      this.setState({ told: ok ? value : error.message });
    });
  }

  onMove({ seq, job_id, event, status }) {
    if (event !== "progress") {
      const moves = this.state.moves ?? [];
      this.setState({ moves: [...moves, `${seq} ${job_id} ${event} ${status}`] });
    }
    this.ask(job_id);
  }

  ask(job_id) {
    // The question may be lost where the signal was not: nothing else would ask again.
    const again = () => this.after(0.2, () => this.ask(job_id));
    this.callAction("status", { job_id }).then(this.show).catch(again);
  }

  show({ value: { job } }) {
    const others = this.state.jobs.filter(({ id }) => id !== job.id);
    this.setState({ jobs: [job, ...others].sort((a, b) => b.created_at - a.created_at) });
  }

  say(fails) {
    const says = this.element.querySelector("#says").value;
    this.callAction("say", { says, fails }).then(this.show);
  }

  onSay() {
    this.say(false);
  }

  onFail() {
    this.say(true);
  }

  onLater() {
    this.callAction("later", { says: this.element.querySelector("#says").value });
  }

  onChoose(event) {
    this.callAction("upload", { file: event.target.files }).then(this.show);
  }

  onCancel(event, target) {
    this.callAction("cancel", { job_id: target.value });
  }
}
