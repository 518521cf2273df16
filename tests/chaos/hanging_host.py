"""``openclaw-actors serve`` with a fault of the kind that no test of a live host can do without: its loop hangs.

SIGUSR1 makes the loop hang, as the variable HANG says: so many seconds in a call that blocks, or in a regular
expression that backtracks for ever, with the interpreter's lock in its hand.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time

from openclaw_actors import host
from openclaw_actors.cli.main import main


def hang() -> None:
    how = os.environ["HANG"]
    if how == "regex":
        re.fullmatch(r"(a|aa)+", "a" * 200 + "b")
    else:
        time.sleep(float(how))


class HangingHost(host.Host):
    async def start(self) -> None:
        await super().start()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, hang)


host.Host = HangingHost

if __name__ == "__main__":
    sys.exit(main())
