"""A thread that stands back, and nobody else."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from openclaw_actors.priority import stand_back


def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems know no niceness of a thread")
def test_the_pools_thread_stands_back_and_the_others_do_not():
    before = nice()
    with ThreadPoolExecutor(1, "encode", stand_back) as pool:
        assert pool.submit(nice).result() == min(19, before + 10)
    assert nice() == before
