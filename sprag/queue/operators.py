"""What those who run queues need beside the public names.

The terminal, the dashboard and the web tier import `sprag.queue` and this module, and nothing else
of the queue's inside. What they lack becomes a method of `QueueFile` or a name here:

- a file with all its queues: `QueueFile`, which `open_file` and `open_beside` return; `Process`,
  `Glance`, `Wanted` and the like are its answers and its questions;
- the words and shapes that every tier shares: states, the table of moves, jobs and moves as JSON;
- the stream of signals, for those who pass it on;
- what a program that hosts queues shares with them: its log, Ctrl-C, its stop, its files beside
  the database.
"""

from __future__ import annotations

from .agenda import Plan
from .checks import cursor, file_path
from .durations import parsed
from .file.beside import Folder, adapt, database_of
from .file.disk import sync, sync_folder
from .file.identity import SQLITE
from .ids import is_job_id
from .job import Notice, attempts_of
from .liveness.processes import Process, lost_of
from .opened import QueueFile, open_beside, open_file
from .options import CommonOptions
from .payload.codec import MAX_DEPTH, TOO_DEEP, decode
from .roster import hurry_of, stop_together
from .service import enqueue_task, runs_jobs
from .shapes import job_shape, more_shape, move_shape, plan_shape
from .sparing import Sparing
from .states import OWNED, TERMINAL, sources, target
from .store.audit import Audit, Rule
from .store.glances import STATES, WAITING, Glance, State
from .store.search import Order, Span, Wanted
from .store.statistics import percentile
from .tasking import enqueue_call
from .threads.elsewhere import PIECE_SECONDS, elsewhere
from .threads.inside import owned, refuse_reentry
from .threads.logs import Log, settle
from .threads.wakeup import Wakeup
from .watch.subscription import merged, notice_signal, signal_of
from .work.attendance import waiting_for, words, words_of_task

__all__ = [
    "MAX_DEPTH",
    "OWNED",
    "PIECE_SECONDS",
    "SQLITE",
    "STATES",
    "TERMINAL",
    "TOO_DEEP",
    "WAITING",
    "Audit",
    "CommonOptions",
    "Folder",
    "Glance",
    "Log",
    "Notice",
    "Order",
    "Plan",
    "Process",
    "QueueFile",
    "Rule",
    "Span",
    "Sparing",
    "State",
    "Wakeup",
    "Wanted",
    "adapt",
    "attempts_of",
    "cursor",
    "database_of",
    "decode",
    "elsewhere",
    "enqueue_call",
    "enqueue_task",
    "file_path",
    "hurry_of",
    "is_job_id",
    "job_shape",
    "lost_of",
    "merged",
    "more_shape",
    "move_shape",
    "notice_signal",
    "open_beside",
    "open_file",
    "owned",
    "parsed",
    "percentile",
    "plan_shape",
    "refuse_reentry",
    "runs_jobs",
    "settle",
    "signal_of",
    "sources",
    "stop_together",
    "sync",
    "sync_folder",
    "target",
    "waiting_for",
    "words",
    "words_of_task",
]
