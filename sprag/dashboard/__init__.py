"""A page on which an operator sees the jobs of a file, and cancels or repeats them.

`dashboard()` makes an ASGI application to be mounted anywhere; see
`sprag.dashboard.app`. It is never open to the world: it wants a token, or
answers programs on this machine alone.
"""

from .app import dashboard

__all__ = ["dashboard"]
