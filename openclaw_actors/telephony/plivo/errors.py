"""What Plivo's answers and hang-up causes mean to the person who has set it up (plivo.com/docs/voice)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_actors.telephony.json_api import Fault

REMEDIES: Mapping[int, str] = {
    400: "look at the numbers: Plivo does not take one of them",
    401: "check plivo.auth_id and plivo.auth_token against the console's first page",
    402: "the account has no credit left: top it up in Plivo's console",
    403: "allow the country in Plivo's console: Voice, Geo permissions; a trial account calls verified numbers only",
    404: "Plivo has no such thing (any more)",
    429: "Plivo takes no more requests now: wait, or call less at once",
}
OVER = frozenset({404})


def fault_of(status: int, body: Any) -> Fault:
    """``{"api_id": …, "error": "…"}``; Plivo has no error codes but HTTP's."""
    said = body.get("error") if isinstance(body, dict) else None
    if isinstance(said, dict):
        said = said.get("error")
    remedy = REMEDIES.get(status, "see https://www.plivo.com/docs/voice/api/overview")
    return Fault(status, str(said or "no reason given")[:300], remedy)
