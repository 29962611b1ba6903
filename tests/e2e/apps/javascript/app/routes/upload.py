"""A page with the visitor's jobs."""

from typing import Any

from sprag import Controller, Field, Schema, Upload, action

JOB = Schema("job", {"job_id": Field(str, required=True)})


class UploadController(Controller):
    route = "/"
    title = "Jobs"

    def load(self) -> dict[str, Any]:
        return {"jobs": self.jobs("say"), "told": None}

    @action(schema=Schema("say", {"says": Field(str), "fails": Field(bool, default=False)}))
    def say(self, says: str, fails: bool) -> dict[str, Any]:
        return self.enqueue("say", {"says": says, "fails": fails}, label=says)

    @action(schema=Schema("upload", {"file": Field(Upload, required=True)}))
    def upload(self, file: Upload) -> dict[str, Any]:
        item = {"says": file.read().decode(), "fails": False}
        return self.enqueue("say", item, label=file.name)

    @action(schema=JOB)
    def status(self, job_id: str) -> dict[str, Any]:
        return self.job_status("say", job_id)

    @action(schema=JOB)
    def cancel(self, job_id: str) -> dict[str, Any]:
        return self.request_job_cancel("say", job_id)

    @action(schema=Schema("later", {"says": Field(str)}), defer=True)
    async def later(self, says: str) -> str:
        if not says:
            raise ValueError("there is nothing to say")
        return says
