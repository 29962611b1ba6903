import { Module } from "./sprag.js";

export class UploadModule extends Module {
  onStart() {
    this.onSocket("sprag:queue.job.changed", (data) => this.#onJobUpdate(data));
  }

  onUpload() {
    this.callAction("upload_image", { file_path: "a.png" }).then((result) => this.#onStatus(result));
  }

  #onJobUpdate(data) {
    if (data.job_id === this.state.job_id) {
      this.callAction("job_status", { job_id: data.job_id }).then((result) => this.#onStatus(result));
    }
  }

  #onStatus(result) {
    this.setState(result.value ?? {});
  }
}
