"""What openclaw_actors/allocator.py asks of glibc by a number of its malloc.h."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

BUSY_THREADS = """
import ctypes, threading
from openclaw_actors.allocator import share_arenas

share_arenas()
kept, ready = [], threading.Barrier(9)

def work():
    kept.append([bytes(1000) for _ in range(1000)])
    ready.wait()

for _ in range(8):
    threading.Thread(target=work).start()
ready.wait()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc")
def test_threads_share_two_arenas():
    done = subprocess.run([sys.executable, "-c", BUSY_THREADS], capture_output=True, text=True, check=True, timeout=30)
    assert [line for line in done.stderr.splitlines() if line.startswith("Arena")] == ["Arena 0:", "Arena 1:"]
