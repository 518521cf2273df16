"""Whose work may wait: threads that stand back for the event loop."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

_STEPS = 10
"""Of niceness: a tenth of the processor's time against a loop that wants all of it, and all that the loop leaves."""


def stand_back() -> None:
    """Let this thread wait for the others of its process; an executor's ``initializer``. Linux alone has it by thread.

    Where the loop shares its core with the thread that encodes (`python -m tests.load.density`, 20 calls, twice each),
    turns' p95 is 421 and 421 ms in place of 441 and 465, and the longest gap 39 and 40 ms in place of 68 and 59.
    """
    if sys.platform.startswith("linux"):
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _STEPS))
