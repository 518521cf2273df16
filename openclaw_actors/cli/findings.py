"""What a check of ``doctor`` finds, and how one is made: whatever breaks within it is a finding too."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from openclaw_actors.errors import OpenclawActorsError

Status = Literal["good", "warning", "bad"]
Check = Callable[[], Coroutine[Any, Any, str]]
"""Returns what is well; raises Fault for what is not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``remedy``: what to do, empty when all is well. ``seconds``: how long it took."""

    check: str
    status: Status
    detail: str
    remedy: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "check": self.check,
            "status": self.status,
            "detail": self.detail,
            "remedy": self.remedy,
            "seconds": round(self.seconds, 3),
        }


class Fault(Exception):  # noqa: N818 - a finding on its way, told nobody as an error
    """Something is not well."""

    def __init__(self, detail: str, remedy: str, status: Status = "bad") -> None:
        super().__init__(detail)
        self.detail, self.remedy, self.status = detail, remedy, status


async def attempt(name: str, check: Check) -> Finding:
    """Make a check. Never raises for what is broken."""
    began = time.monotonic()
    try:
        detail = await check()
    except Fault as fault:
        return Finding(name, fault.status, fault.detail, fault.remedy, time.monotonic() - began)
    except OpenclawActorsError as error:
        return Finding(name, "bad", str(error), "do what it says, then look again", time.monotonic() - began)
    except Exception as error:  # noqa: BLE001 - whatever breaks a piece is what doctor is to tell
        said = f"{type(error).__name__}: {error}"
        return Finding(name, "bad", said, "this is not expected: report it", time.monotonic() - began)
    return Finding(name, "good", detail, seconds=time.monotonic() - began)
