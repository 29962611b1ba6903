"""The lifespan protocol of ASGI."""

from __future__ import annotations

import traceback
from contextlib import AbstractAsyncContextManager

from starlette.types import Receive, Send

from ..queue import QueueError


async def speak_lifespan(
    lifespan: AbstractAsyncContextManager[None], receive: Receive, send: Send
) -> None:
    """Enter `lifespan` when the server starts, and leave it when it stops.

    A failure is reported in a message of the protocol, because servers take a mere exception for
    "no lifespan here", and serve. It is raised too, because Starlette's TestClient raises only
    that.
    """
    await receive()
    step = "startup"
    try:
        async with lifespan:
            await send({"type": "lifespan.startup.complete"})
            step = "shutdown"
            await receive()
    except BaseException as error:
        # The messages of our own errors need no traceback.
        says_all = isinstance(error, QueueError)
        message = str(error) if says_all else traceback.format_exc()
        await send({"type": f"lifespan.{step}.failed", "message": message})
        raise
    else:
        await send({"type": "lifespan.shutdown.complete"})
