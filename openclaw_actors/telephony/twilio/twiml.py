"""What Twilio shall do with a call (twilio.com/docs/voice/twiml)."""

from __future__ import annotations

from typing import Literal

from twilio.twiml.voice_response import Connect, VoiceResponse

from openclaw_actors.telephony.carrier import TOKEN
from openclaw_actors.telephony.urls import Urls

EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
"""Nothing: the answer to callbacks."""


def connect_stream(urls: Urls, token: str) -> str:
    """Bring the caller's sound to us, and ours to them. Nothing follows, so that a closed stream ends the call.

    Of a cluster's host Twilio asks what follows: the host may be gone, and another goes on with the conversation.

    The token is a parameter, as Twilio drops the URL's query.
    """
    response = VoiceResponse()
    connect = Connect(action=urls.hook("again"), method="POST") if urls.host else Connect()
    stream = connect.stream(url=urls.stream, status_callback=urls.hook("stream-status"), status_callback_method="POST")
    stream.parameter(name=TOKEN, value=token)
    response.append(connect)
    return str(response)


def record(told: str, words: str, longest_s: int, silence_s: int) -> str:
    """Say ``words`` in Twilio's voice, and let it record what the caller says after the tone, in our place.

    The action ends the call: without one Twilio asks the webhook again, and would record for ever. ``told`` is the URL
    that is asked, and told when the recording is there.
    """
    response = VoiceResponse()
    if words:
        response.say(words)
    response.record(
        action=told,
        method="POST",
        timeout=silence_s,
        finish_on_key="#",
        max_length=longest_s,
        play_beep=True,
        recording_status_callback=told,
        recording_status_callback_method="POST",
        recording_status_callback_event="completed absent",
    )
    return str(response)


def dial(to: str, caller_id: str, time_limit_s: int) -> str:
    """Connect the call with ``to`` in place of us, for so many seconds at most; it ends when either hangs up."""
    response = VoiceResponse()
    more = {"caller_id": caller_id} if caller_id else {}
    response.dial(to, time_limit=time_limit_s, **more)
    return str(response)


def notice(words: str) -> str:
    """Say ``words`` in Twilio's voice; nothing follows, so the call ends."""
    response = VoiceResponse()
    response.say(words)
    return str(response)


def reject(reason: Literal["rejected", "busy"]) -> str:
    """Do not answer: the caller hears that the number is not in service, or busy; nobody pays."""
    response = VoiceResponse()
    response.reject(reason=reason)
    return str(response)
