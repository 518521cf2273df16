"""Places: how many calls there may be, those that run and those that are being set up."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from openclaw_actors.actors.admission import Capacity, Load
from openclaw_actors.actors.board import Admission
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

RETRY_AFTER_S = "10"


class Places:
    """How many calls there may be: those that run and those that are being set up.

    Args:
        limit: calls; 0: found out from how the machine bears them (actors/admission.py).
        messages: beside them, callers who leave a message.
    """

    def __init__(self, limit: int, messages: int = 0) -> None:
        self._message_limit = messages
        self._capacity = None if limit else Capacity()
        self.limit = limit or Capacity().limit
        self.draining = False
        """An operator takes no new calls for now; who may end that is the API's business."""
        self.closing = False
        """The process will end: nothing takes that back."""
        self.ending = False
        """It ends now: not even a message is taken."""
        self.failed = asyncio.Event()
        """The Switchboard is gone, which only a fault of it explains."""
        self.live_tokens: dict[str, str] = {}
        """Call ids by the resume token that brings their caller back."""
        self.running: set[str] = set()
        self.idle = asyncio.Event()
        self.idle.set()
        self.resumable: set[str] = set()
        self._reserved: set[int] = set()
        self._messages: set[int | str] = set()
        """Places and calls of those who leave a message, by number and id."""
        self._number = 0
        metrics.calls_limit.set(self.limit)

    @property
    def is_open(self) -> bool:
        """Whether new calls are taken at all."""
        return not (self.draining or self.closing or self.failed.is_set())

    def reserve(self, transport: str, direction: str, resume: str = "", *, message: bool = False) -> Admission:
        """Keep a place for a call that is being set up; a caller who comes back to a live call has theirs.

        Raises:
            RefusalError: 503 ``full`` or ``draining``, with Retry-After.
        """
        if self.live_tokens.get(resume) in self.running:
            return Admission(0, transport, direction)
        self.refuse_when_closed(message=message)
        if message:
            if len(self._messages) >= self._message_limit:
                raise self._refusal("full", "too many callers leave a message; try again soon (voicemail.at_once)")
        elif len(self.running) + len(self._reserved) - len(self._messages) >= self.limit:
            self._refuse_another()
        self._number += 1
        if message:
            self._messages.add(self._number)
        self._reserved.add(self._number)
        return Admission(self._number, transport, direction)

    def refuse_when_closed(self, *, message: bool = False) -> None:
        """Raise the refusal of a host that takes no new calls; a ``message`` is taken until it ends.

        Raises:
            RefusalError: 503 ``draining``, with Retry-After.
        """
        if not self.is_open and (not message or self.ending or self.failed.is_set()):
            raise self._refusal("draining", "this host takes no new calls; try another or come back later")

    def _refuse_another(self) -> NoReturn:
        why = self._capacity.why if self._capacity is not None else ""
        if why:
            detail = f"this machine bears {self.limit} calls at this moment ({why}); try again soon"
            raise self._refusal("full", detail, counted_as="overloaded")
        raise self._refusal("full", f"all {self.limit} places are taken; try again soon (server.max_calls)")

    def _refusal(self, reason: str, detail: str, *, counted_as: str = "") -> RefusalError:
        metrics.calls_rejected_total.labels(reason=counted_as or reason).inc()
        return RefusalError(503, reason, detail, {"Retry-After": RETRY_AFTER_S})

    def look(self, load: Load, now: float) -> None:
        """Once a second: how the machine bears its calls decides how many it takes, unless that is set."""
        if self._capacity is None:
            return
        limit = self._capacity.look(load, len(self.running), now)
        if limit < self.limit:
            _log.warning("this machine bears fewer calls", limit=limit, was=self.limit, reason=self._capacity.why)
        if limit != self.limit:
            self.limit = limit
            metrics.calls_limit.set(limit)

    def release(self, admission: Admission) -> None:
        """The place is free again, or taken by the call that now runs."""
        self._reserved.discard(admission.number)
        self._messages.discard(admission.number)

    def enter(self, call_id: str, place: int) -> None:
        """The call runs, in the ``place`` that was kept for it."""
        self._reserved.discard(place)
        if place in self._messages:
            self._messages.remove(place)
            self._messages.add(call_id)
        self.running.add(call_id)
        self.idle.clear()

    def leave(self, call_id: str) -> None:
        """The call is over."""
        self.running.discard(call_id)
        self._messages.discard(call_id)
        if not self.running:
            self.idle.set()
