"""What Twilio's error codes mean to the person who has set it up (twilio.com/docs/api/errors)."""

from __future__ import annotations

REMEDIES = {
    20003: "check twilio.account_sid and twilio.auth_token against the account's page in Twilio's console",
    20005: "the account is suspended or closed: see Twilio's console",
    20008: "these are test credentials, which can't call: take the live ones from Twilio's console",
    20404: "Twilio has no such thing (any more)",
    20429: "Twilio takes no more requests now: wait, or call less at once",
    13224: "Twilio does not take the number: correct it",
    13225: "Twilio does not let this number be called",
    13227: "allow the country at Twilio: Voice, Settings, Geo permissions",
    21201: "give a number to call",
    21202: "this is a premium number, which Twilio does not call",
    21203: "allow calls abroad at Twilio: Voice, Settings, Geo permissions",
    21210: "call from a number of the account's, or one that is verified there",
    21211: "correct the number: it must be a real one, in E.164",
    21212: "correct twilio.from_number: it must be a number of the account's, in E.164",
    21213: "set twilio.from_number",
    21214: "this number can't be reached from Twilio",
    21215: "allow the country at Twilio: Voice, Settings, Geo permissions",
    21216: "Twilio does not let this account call the number",
    21217: "correct the number: Twilio takes it for none",
    21219: "a trial account calls verified numbers only: verify it in Twilio's console, or upgrade",
    21220: "the call is over",
}


def remedy_of(code: int, http_status: int = 0) -> str:
    """What to do about an error code of Twilio's, as the end of a sentence."""
    if code in REMEDIES:
        return REMEDIES[code]
    if http_status in {401, 403}:
        return REMEDIES[20003]
    return f"see https://www.twilio.com/docs/api/errors/{code}"
