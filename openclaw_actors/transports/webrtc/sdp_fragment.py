"""What a client sends after its offer: ``application/trickle-ice-sdpfrag`` (RFC 8840 section 9), read with distrust."""

from __future__ import annotations

import re
from dataclasses import dataclass

from openclaw_actors.errors import RefusalError

_LINE = re.compile(r"[a-z]=[^\x00-\x08\x0a-\x1f]{0,1999}")
_ICE_SECRET = re.compile(r"[!-~]{4,256}")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment.

    Args:
        ufrag: of the ICE session that it belongs to.
        candidates: mid and attribute value of each.
        is_complete: no more will come.
    """

    ufrag: str
    candidates: tuple[tuple[str, str], ...] = ()
    is_complete: bool = False


def read_fragment(text: str) -> Fragment:
    """Read one.

    Raises:
        RefusalError: 400 ``bad_fragment``.
    """
    ufrag, mid, candidates, complete = "", "", [], False
    for line in text.replace("\r\n", "\n").rstrip("\n").split("\n"):
        if not _LINE.fullmatch(line):
            raise _bad("A line is no line of SDP.")
        name, _, value = line[2:].partition(":")
        if line.startswith("m="):
            mid = ""
        elif not line.startswith("a="):
            continue
        elif name == "mid":
            mid = value
        elif name == "ice-ufrag":
            if not _ICE_SECRET.fullmatch(value):
                raise _bad("a=ice-ufrag is malformed.")
            if ufrag not in {"", value}:
                raise _bad("It names two ICE sessions: all media of this host are one bundle.")
            ufrag = value
        elif name == "candidate":
            candidates.append((mid, value))
        elif name == "end-of-candidates":
            complete = True
    if not ufrag:
        raise _bad("a=ice-ufrag is missing, which says whose candidates they are (RFC 8840 section 4.4).")
    return Fragment(ufrag, tuple(candidates), complete)


def _bad(detail: str) -> RefusalError:
    return RefusalError(400, "bad_fragment", f"{detail} Send what RFC 8840 section 9 describes.")
