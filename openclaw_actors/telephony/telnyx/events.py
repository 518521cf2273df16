"""What Call Control's webhooks tell (developers.telnyx.com, Voice API webhooks); pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from openclaw_actors.telephony.carrier import (
    Incoming,
    News,
    Over,
    Passing,
    Progress,
    StreamNews,
    Told,
    Verdict,
)

_ENDS: Mapping[str, Over] = {
    "normal_clearing": Over("completed", "caller_hangup"),
    "time_limit": Over("completed", "max_duration"),
    "user_busy": Over("busy", "busy"),
    "call_rejected": Over("busy", "busy"),
    "timeout": Over("no-answer", "no_answer"),
    "no_answer": Over("no-answer", "no_answer"),
    "no_user_response": Over("no-answer", "no_answer"),
    "originator_cancel": Over("canceled", "canceled"),
}
"""By hangup_cause; any other is a failure."""
_ANSWERED_BY = {"human": "human", "not_sure": "unknown", "machine": "machine_start"}
_GREETING = {"beep_detected": "machine_end_beep", "ended": "machine_end_silence"}


def state(call_id: str, *, waits_for_end: bool) -> str:
    """The ``client_state`` of a call that we place: it comes back in each of its webhooks, and is signed there.

    Args:
        call_id: our own name for the call.
        waits_for_end: that it is a machine is to be told when its greeting has ended, not before.
    """
    return base64.b64encode(f"{call_id} {'end' if waits_for_end else ''}".encode()).decode()


def read(body: bytes) -> Told:
    """What a webhook tells.

    Raises:
        ValueError: it can't be read.
    """
    message = json.loads(body)
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("payload"), dict):
        raise ValueError("it is no event")  # noqa: TRY004 - of a stranger's JSON, not of an argument
    kind, payload = str(data.get("event_type", "")), data["payload"]
    carrier_call_id = payload.get("call_control_id")
    if not isinstance(carrier_call_id, str):
        carrier_call_id = ""
    call_id, waits = _state_of(payload)
    news = _news(kind, payload, waits_for_end=waits == "end")
    # A webhook that is sent again has the same id, though its attempt, so its body, is another.
    return Told(news, carrier_call_id, call_id, f"{data.get('id', '')} {kind} {carrier_call_id}")


def _state_of(payload: Mapping[str, Any]) -> tuple[str, str]:
    given = payload.get("client_state")
    try:
        text = base64.b64decode(given, validate=True).decode() if isinstance(given, str) else ""
    except ValueError:  # somebody else's, of a call that another program has placed
        return "", ""
    call_id, _, waits = text.partition(" ")
    return call_id, waits


def _news(kind: str, payload: Mapping[str, Any], *, waits_for_end: bool) -> News:
    result = str(payload.get("result", ""))
    news: News = Passing(kind[:64])
    match kind:
        case "call.initiated" if payload.get("direction") == "incoming":
            news = Incoming(_number(payload, "from"), _number(payload, "to"))
        case "call.initiated" | "call.answered":
            news = Progress()
        case "call.hangup":
            news = _end(str(payload.get("hangup_cause", "")), str(payload.get("sip_hangup_cause", "")))
        case "call.machine.detection.ended" if not (result == "machine" and waits_for_end):
            news = Verdict(_ANSWERED_BY.get(result, "unknown"))
        case "call.machine.greeting.ended":
            news = Verdict(_GREETING.get(result, "machine_end_other"))
        case "streaming.failed":
            news = StreamNews("failed", str(payload.get("failure_reason") or "no reason")[:100])
        case "streaming.started" | "streaming.stopped":
            news = StreamNews(kind.removeprefix("streaming."))
    return news


def _end(cause: str, sip: str) -> Over:
    known = _ENDS.get(cause)
    if known is not None:
        return known
    code = sip if sip.isdecimal() else cause or "unspecified"
    return Over("failed", f"carrier_failed:{code[:32]}")


def _number(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""
