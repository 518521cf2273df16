"""What Telnyx's error codes mean to the person who has set it up (developers.telnyx.com, API errors)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_actors.telephony.json_api import Fault

REMEDIES: Mapping[int, str] = {
    10002: "correct the number: it must be a real one, in E.164",
    10004: "look at telnyx.connection_id and the number",
    10005: "Telnyx has no such thing (any more): look at telnyx.connection_id",
    10009: "check telnyx.api_key against the portal's page of API keys",
    10010: "the API key may not do that, or the account is not verified for it: see Telnyx's portal",
    10011: "Telnyx takes no more requests now: wait, or call less at once",
    10015: "look at telnyx.connection_id and the number",
    10016: "write the number in E.164",
    10038: "the account needs more verification before it may call there: see Telnyx's portal",
    20100: "the account has no balance left: top it up in Telnyx's portal",
    90018: "the call is over",
    90049: "the number is not yours, or not verified: correct telnyx.from_number",
}
OVER = frozenset({90018, 90015, 10005, 404})
"""What is said to a command for a call that is over: has ended, is unknown."""


def fault_of(status: int, body: Any) -> Fault:
    """``{"errors": [{"code": "10009", "title": …, "detail": …}]}``."""
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = str(first.get("code", ""))
    number = int(code) if code.isascii() and code.isdecimal() and len(code) < 10 else status
    said = str(first.get("detail") or first.get("title") or "no reason given")[:300]
    remedy = REMEDIES.get(number) or (
        REMEDIES[10009]
        if status == 401
        else REMEDIES[10010]
        if status == 403
        else "look the code up at https://developers.telnyx.com/docs/overview/errors"
    )
    return Fault(number, said, remedy)
