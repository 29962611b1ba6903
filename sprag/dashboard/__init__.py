"""Pages on which an operator sees the jobs of a file, and cancels, repeats or deletes them.

`dashboard()` makes an ASGI application that can be mounted anywhere; see
`sprag.dashboard.app`. It is never open to everyone: it asks for a token, or
answers only requests from this machine.
"""

from .app import dashboard

__all__ = ["dashboard"]
