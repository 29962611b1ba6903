"""The module of the spec, and a button that enqueues."""

from sprag import Module


class UploadModule(Module):
    def on_start(self):
        self.on_socket("sprag:queue.job.changed", self._on_job_update)

    def on_upload(self):
        self.call_action("upload_image", {"file_path": "a.png"}).then(self._on_status)

    def _on_job_update(self, data):
        if data.get("job_id") == self.state.get("job_id"):
            self.call_action("job_status", {"job_id": data["job_id"]}).then(self._on_status)

    def _on_status(self, result):
        self.set_state(result.value or {})
