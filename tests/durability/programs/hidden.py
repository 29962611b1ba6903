"""Look at a file as somebody who may not enter its folder."""

from __future__ import annotations

import os
import sys

from sprag.queue import DatabaseError, QueueService

os.setgid(65534)
os.setuid(65534)
try:
    QueueService(name="work", database=sys.argv[1]).counts()
except DatabaseError as error:
    assert sys.argv[1] in str(error), error
    print(type(error).__name__)
