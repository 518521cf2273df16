"""Errands: what the agent wants done to its call, kept until the time for it has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from openclaw_actors.messages import Errand, KeepMessage, Noticed
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

MOST = 8
"""Errands of one turn."""

MESSAGES = 20
"""Messages of one call; more are a model, or a caller, that runs in circles."""


class Errands:
    """One call's. An answer that is made early may be thrown away: nothing is done before its turn is certain.

    Args:
        do: gives the Call its mail.
    """

    def __init__(self, do: Callable[[Any], None]) -> None:
        self._do = do
        self._turn = 0
        self._wanted: list[Errand] = []
        self._released = 0
        self._kept: set[str] = set()

    def want(self, errand: Errand) -> None:
        """The agent wants it. A question that is asked again may bring it again: it is done once."""
        if errand.turn != self._turn:
            self._turn, self._wanted = errand.turn, []
        if errand in self._wanted:
            return
        if len(self._wanted) == MOST:
            _log.warning("an errand too many", turn=errand.turn, errand=type(errand.what).__name__)
            return
        self._wanted.append(errand)
        if errand.turn <= self._released:
            self._keep_messages()

    def released(self, turn: int) -> None:
        """The turn is certain: what the caller wants remembered is kept, whatever comes of the answer."""
        self._released = turn
        if turn == self._turn:
            self._keep_messages()

    def spoken(self, turn: int) -> None:
        """The turn has been spoken to its end: what it announced is done, in its order."""
        if turn == self._turn:
            wanted, self._wanted = self._wanted, []
            for errand in wanted:
                self._do(errand.what)

    def cut(self, fence: int) -> None:
        """What belongs to turns below ``fence`` is off: the caller did not hear it announced."""
        if self._turn < fence:
            wanted, self._wanted = self._wanted, []
            for errand in wanted:
                if isinstance(errand.what, Noticed):
                    self._do(replace(errand.what, whole=False))

    def _keep_messages(self) -> None:
        for message in [errand.what for errand in self._wanted if isinstance(errand.what, KeepMessage)]:
            if message.text not in self._kept and len(self._kept) < MESSAGES:
                self._kept.add(message.text)
                self._do(message)
        self._wanted = [errand for errand in self._wanted if not isinstance(errand.what, KeepMessage)]
