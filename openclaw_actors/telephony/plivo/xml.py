"""What Plivo shall do with a call (plivo.com/docs/voice/xml)."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from openclaw_actors.telephony.carrier import TOKEN
from openclaw_actors.telephony.urls import Urls

EMPTY = "<Response></Response>"
"""Nothing: the answer to callbacks."""


def stream(urls: Urls, token: str) -> str:
    """Bring the caller's sound to us, and ours to them; nothing follows, so that a closed stream ends the call.

    The token is in the URL, whose query Plivo sends along.
    """
    response = ET.Element("Response")
    element = ET.SubElement(
        response,
        "Stream",
        bidirectional="true",
        keepCallAlive="true",
        contentType="audio/x-mulaw;rate=8000",
        statusCallbackUrl=urls.hook("stream-status"),
        statusCallbackMethod="POST",
    )
    element.text = f"{urls.stream}?{urlencode({TOKEN: token})}"
    return _text(response)


def notice(words: str) -> str:
    """Say ``words`` in Plivo's voice; nothing follows, so the call ends."""
    response = ET.Element("Response")
    ET.SubElement(response, "Speak").text = words
    return _text(response)


def hang_up(reason: Literal["rejected", "busy"]) -> str:
    """Do not answer: a reason, as the first element, lets the caller hear that the number is busy or not to be had."""
    response = ET.Element("Response")
    ET.SubElement(response, "Hangup", reason=reason)
    return _text(response)


def dial(to: str, caller_id: str, time_limit_s: int) -> str:
    """Connect the call with ``to`` in place of us, for so many seconds at most; it ends when either hangs up."""
    response = ET.Element("Response")
    element = ET.SubElement(response, "Dial", timeLimit=str(time_limit_s))
    if caller_id:
        element.set("callerId", caller_id)
    ET.SubElement(element, "User" if to.startswith("sip:") else "Number").text = to
    return _text(response)


def _text(response: ET.Element) -> str:
    return ET.tostring(response, encoding="unicode")
