"""For the tests of applications: run jobs in the calling thread, set the clock of a queue, say what
must have been enqueued, and crash a handler wherever it can.

    def test_receipt(sprag_queue):
        mail = sprag_queue(Mail)
        mail.receipt.enqueue(42)
        [job] = drain(mail, raising=True)
        assert job.status == "completed"
"""

from .asserting import (
    Expected,
    assert_enqueued,
    assert_enqueues,
    assert_nothing_enqueued,
)
from .clock import Clock
from .crashing import crash_everywhere, effect
from .draining import drain, run_one
from .placing import MakeQueue

__all__ = [
    "Clock",
    "Expected",
    "MakeQueue",
    "assert_enqueued",
    "assert_enqueues",
    "assert_nothing_enqueued",
    "crash_everywhere",
    "drain",
    "effect",
    "run_one",
]
