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
from .draining import drain, run_one

__all__ = [
    "Clock",
    "Expected",
    "assert_enqueued",
    "assert_enqueues",
    "assert_nothing_enqueued",
    "drain",
    "run_one",
]
