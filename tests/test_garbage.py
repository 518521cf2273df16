"""What openclaw_actors/garbage.py asks of Python's collector, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

SETTLED = """
import gc, weakref
from openclaw_actors import garbage

class Cycle:
    def __init__(self):
        self.itself = self

before = weakref.ref(Cycle())
gc.disable()
garbage.settle()
assert before() is None, "what was garbage is gone"
assert gc.isenabled()
assert gc.get_freeze_count() > 1_000, "what stands is not looked through again"
assert gc.get_threshold()[0] == garbage.YOUNG_OBJECTS
later = weakref.ref(Cycle())
kept = [[] for _ in range(2 * garbage.YOUNG_OBJECTS)]
assert later() is None, "what becomes garbage later is found"
"""


def test_what_stands_stays_and_later_garbage_is_found():
    done = subprocess.run([sys.executable, "-c", SETTLED], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
