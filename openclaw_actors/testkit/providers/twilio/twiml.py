"""TwiML as Twilio reads it: what it does not know, or refuses, is an error here too (twilio.com/docs/voice/twiml)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from openclaw_actors.testkit.providers.carrier.verbs import (
    ConnectStream,
    Dial,
    HangUp,
    Pause,
    Record,
    Reject,
    Say,
    Verb,
)

_PARAMETER = 500
"""Letters of a parameter's name and value together, at most."""


class TwimlError(Exception):
    """``number`` is Twilio's error code."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"{number}: {text}")
        self.number = number


def parse(text: str) -> list[Verb]:
    """The verbs in their order.

    Raises:
        TwimlError: 12100 no XML, 12101 no Response, 12200 a verb or noun that is not known, 31922 or 31921 a stream
            that can't be.
    """
    try:
        root = ET.fromstring(text)  # noqa: S314 - it comes from the host under test
    except ET.ParseError as error:
        raise TwimlError(12100, f"document parse failure: {error}") from None
    if root.tag != "Response":
        raise TwimlError(12101, "the root is no Response")
    return [_verb(element) for element in root]


def _verb(element: ET.Element) -> Verb:
    read = _VERBS.get(element.tag)
    if read is None:
        raise TwimlError(12200, f"{element.tag} is not a verb that is known here")
    return read(element)


def _connect(element: ET.Element) -> ConnectStream:
    nouns = list(element)
    if [noun.tag for noun in nouns] != ["Stream"]:
        raise TwimlError(12200, "Connect holds one Stream")
    stream = nouns[0]
    url = urlsplit(stream.get("url", ""))
    if url.scheme not in {"wss", "ws"} or not url.hostname:
        raise TwimlError(31922, "the stream's url is no wss URL")
    if url.query:
        raise TwimlError(31921, "the stream's url has a query, which is not sent along")
    parameters = {each.get("name", ""): each.get("value", "") for each in stream}
    if any(not name or len(name) + len(value) >= _PARAMETER for name, value in parameters.items()):
        raise TwimlError(12200, "a Parameter has no name, or is too long")
    return ConnectStream(url.geturl(), parameters, stream.get("statusCallback", ""), element.get("action", ""))


def _record(element: ET.Element) -> Record:
    known = {
        "action", "method", "timeout", "finishOnKey", "maxLength", "playBeep", "trim", "transcribe",
        "recordingStatusCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent",
    }  # fmt: skip
    unknown = element.attrib.keys() - known
    if unknown:
        raise TwimlError(12200, f"Record has no attribute {', '.join(sorted(unknown))}")
    return Record(element.get("action", ""), element.get("recordingStatusCallback", ""), dict(element.attrib))


_VERBS: Mapping[str, Callable[[ET.Element], Verb]] = {
    "Connect": _connect,
    "Say": lambda element: Say(element.text or ""),
    "Reject": lambda element: Reject(element.get("reason", "rejected")),
    "Dial": lambda element: Dial("".join(element.itertext()).strip(), dict(element.attrib)),
    "Hangup": lambda _: HangUp(),
    "Record": _record,
    "Pause": lambda element: Pause(float(element.get("length", "1"))),
}
