"""The demo's page: an application as any other, on the queue of `examples/thumbnails.py`."""
