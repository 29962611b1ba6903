# fmt: off
# mypy: ignore-errors
"""The application of the spec: what it shows stands here as it is written there."""

from gates import held
from PIL import Image

from sprag import App, QueueService

app_shell = "shell.html"


def load_image(file_path):
    held("load")
    return Image.open(file_path).convert("RGB")


def resize(image, size):
    held("resize")
    return image.resize(size)


def save(image):
    held("save")
    image.save("resized.png")
    return f"{image.width}x{image.height}"


class ImageQueue(QueueService):
    name = "image_processing"
    worker_count = 4  # Process up to 4 jobs concurrently

    def handle_item(self, item):
        file_path = item["file_path"]
        resize_to = item.get("resize_to", (800, 600))

        self.report_progress(current=1, total=3, message="Loading image...")
        image = load_image(file_path)

        self.check_cancelled()  # Raises if cancelled

        self.report_progress(current=2, total=3, message="Resizing...")
        resized = resize(image, resize_to)

        self.report_progress(current=3, total=3, message="Saving...")
        output_path = save(resized)

        return {"output": output_path}


app = App(
    routes="app.routes",
    shell=app_shell,
    providers={
        "image_processing": ImageQueue(),
    },
)
