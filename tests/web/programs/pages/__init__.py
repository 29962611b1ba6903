"""The least that an application can have."""

from __future__ import annotations

from sprag.web import Controller, Schema, action


class Least(Controller):
    @action(schema=Schema("nothing", {}))
    def nothing(self) -> None:
        """Do nothing."""
