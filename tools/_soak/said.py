"""What sprag logs during the soak, counted: a subscriber that fails thousands of times would fill
any file."""

from __future__ import annotations

import logging
from collections import Counter

# Failing jobs, the failing subscriber, the stuck reader.
_EXPLAINED = ("job %s of %s failed", "a subscriber raised", "%s: the write-ahead log has grown")


class Said(logging.Handler):
    """Counts warnings and errors by their wording; nothing is written anywhere."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.counts: Counter[str] = Counter()
        log = logging.getLogger("sprag.queue")
        log.addHandler(self)
        log.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.counts[str(record.msg)] += 1

    def unexpected(self) -> list[str]:
        """What nothing in this load explains."""
        return [text for text in self.counts if not text.startswith(_EXPLAINED)]
