"""Conversations whose host is gone: what was said on them is on record, and goes on in a new call on any other host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from openclaw_actors.errors import RefusalError
from openclaw_actors.messages import Line
from openclaw_actors.names import Names
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.store.records import FINAL_STATUSES, CallRecord, Fresh
from openclaw_actors.store.store import Store

_log = get_logger(__name__)

LOSSES = frozenset({"peer_failed", "peer_closed", "no_media", "internal_error", "stage_failed"})
"""Ends of calls that their callers did not want: by a bare line, or a fault of ours."""
NODE_LOST = "node_lost"
_HOST_LOSSES = frozenset({NODE_LOST, "host_restarted"})
_SCOPE = "resume"
_QUIET_S = 600.0
"""The end on record of a call that was lost is when it was last heard of: so long ago, where nobody spoke."""
_LONGEST_CHAIN = 20
"""Calls of one conversation that are read back, the last of them first."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A conversation to be taken up. ``record`` is the last call of it."""

    record: CallRecord
    history: tuple[Line, ...]


class Recall:
    """Brings conversations back from the records that all hosts of a cluster share.

    Args:
        store: the records.
        names: reads resume tokens.
        resume_s: how long after a call's end its caller may come back.
        bury: ends on record the calls of hosts that died since the last look.
    """

    def __init__(self, store: Store, names: Names, resume_s: float, bury: Callable[[], Awaitable[None]]) -> None:
        self.names = names
        self._store = store
        self._resume_s = resume_s
        self._bury = bury

    async def by_token(self, token: str) -> Recalled | None:
        """The conversation to which a resume token leads; it is used up by that. None: it is none of this cluster's.

        Raises:
            RefusalError: 410 ``resume_expired``; 503 ``not_ready`` while it is not known yet that the host is gone.
        """
        call_id = self.names.call_of(token)
        if not call_id:
            return None
        record = await self._ended(call_id)
        if record is None or not self._may_go_on(record, LOSSES | _HOST_LOSSES):
            raise _expired()
        await self.use(token)
        return await self._recalled(record)

    async def use(self, token: str) -> None:
        """Use the token up, on all hosts.

        Raises:
            RefusalError: 410 ``resume_expired``: it was used before.
        """
        if not isinstance(await self._store.begin_command(_SCOPE, _key(token), ""), Fresh):
            raise _expired()
        await self._store.finish_command(_SCOPE, _key(token), 200, "")

    async def give_back(self, token: str) -> None:
        """The call for which it was used did not begin."""
        if self.names.call_of(token):
            await self._store.forget_command(_SCOPE, _key(token))

    async def by_carrier(self, carrier_call_id: str) -> Recalled | None:
        """The conversation of a phone call whose host is gone while its carrier still holds it; None: it has ended."""
        call_id = await self._store.call_at_carrier(carrier_call_id)
        record = await self._ended(call_id) if call_id else None
        if record is None or not self._may_go_on(record, _HOST_LOSSES):
            return None
        return await self._recalled(record)

    async def _ended(self, call_id: str) -> CallRecord | None:
        """The call's record, once it is over.

        Raises:
            RefusalError: 503 ``not_ready``.
        """
        record = await self._store.call(call_id)
        if record is not None and record.status not in FINAL_STATUSES:
            await self._bury()
            record = await self._store.call(call_id)
            if record is not None and record.status not in FINAL_STATUSES:
                raise RefusalError(
                    503, "not_ready", "The host of this call does not answer, and may yet; come back.", _SOON
                )
        return record

    def _may_go_on(self, record: CallRecord, losses: frozenset[str]) -> bool:
        if record.end_reason.partition(":")[0] not in losses or not record.ended_at:
            return False
        lost_s = _QUIET_S if record.end_reason in _HOST_LOSSES else 0.0
        ended_s = (datetime.now(UTC) - datetime.fromisoformat(record.ended_at)).total_seconds()
        return ended_s <= self._resume_s + lost_s

    async def _recalled(self, record: CallRecord) -> Recalled:
        lines: list[Line] = []
        call: CallRecord | None = record
        for _ in range(_LONGEST_CHAIN):
            if call is None:
                break
            said = await self._store.transcript(call.id)
            lines = [Line("agent" if line.role == "agent" else "user", line.text, line.cut) for line in said] + lines
            call = await self._store.call(call.resumed_from) if call.resumed_from else None
        _log.info("a conversation goes on whose host is gone", call_id=record.id, lines=len(lines))
        return Recalled(record, tuple(lines))


_SOON = {"Retry-After": "2"}


def _key(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def _expired() -> RefusalError:
    return RefusalError(410, "resume_expired", "this resume_token was used or has expired; offer again without it")
