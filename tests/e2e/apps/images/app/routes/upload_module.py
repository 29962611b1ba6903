# fmt: off
# mypy: ignore-errors
"""The module of the spec, what a person does beside it, and a record of what it is told."""

from sprag import Module


class UploadModule(Module):
    def on_start(self):
        self.on_socket("sprag:queue.job.changed", self._on_job_update)

    def _on_job_update(self, data):
        if data.get("job_id") == self.state.get("job_id"):
            self.call_action("job_status", {"job_id": data["job_id"]}).then(self._on_status)

    def _on_status(self, result):
        self.set_state(result.value or {})

    def on_cancel(self, event, target):
        self.call_action("cancel_job", {"job_id": self.state["job_id"]})

    def on_choose(self, event):
        self.call_action("receive", {"image": event.files}).then(self._on_received)

    def _on_received(self, result):
        self.call_action("upload_image", {"file_path": result.value}).then(self._on_status)


class Recorder(Module):
    def on_start(self):
        self.set_state({"moves": []})
        self.on_socket("sprag:queue.job.changed", self.record)

    def record(self, data):
        if data["event"] != "progress":
            move = f"{data['seq']} {data['job_id']} {data['event']} {data['status']}"
            self.set_state({"moves": [*self.state["moves"], move]})
