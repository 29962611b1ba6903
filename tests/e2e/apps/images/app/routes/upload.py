# fmt: off
# mypy: ignore-errors
# ruff: noqa: RET504
"""The page of the spec's actions, and one beside them that takes the file itself."""

import secrets

from sprag import Controller, Field, Schema, Upload, action


class UploadController(Controller):
    route = "/"
    title = "Upload"

    def load(self):
        newest = self.jobs("image_processing", limit=1)
        return self.job_status("image_processing", newest[0]["id"]) if newest else {"job_id": None}

    @action(schema=Schema("receive", {"image": Field(Upload, required=True)}))
    def receive(self, image):
        return str(image.save(f"{secrets.token_hex(4)}-{image.name}"))

    @action(schema=Schema("upload_image", {
        "file_path": Field(str, required=True),
    }))
    def upload_image(self, file_path):
        result = self.enqueue("image_processing", {
            "file_path": file_path,
            "resize_to": (1200, 800),
        })
        return result

    @action(name="job_status", schema=Schema("job_status", {"job_id": Field(str, required=True)}))
    def queue_status(self, job_id):
        return self.job_status("image_processing", job_id)

    @action(schema=Schema("cancel_job", {"job_id": Field(str, required=True)}))
    def cancel_job(self, job_id):
        return self.request_job_cancel("image_processing", job_id)
