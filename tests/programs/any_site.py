"""What the documents call `main:app` and `queues:ImageQueue`; tests copy it under such names."""

from __future__ import annotations

from typing import Any

from sprag import App, QueueService


class ImageQueue(QueueService):
    name = "images"

    def handle_item(self, item: Any) -> Any:
        return item


app = App(routes="examples.pages", providers={"counting": ImageQueue()}, database="site.db")
