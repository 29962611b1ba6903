"""A task's signature: its annotations, and how values are stored and made again by them."""
