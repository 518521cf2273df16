"""Plivo XML as Plivo reads it (plivo.com/docs/voice/xml): what it does not know, or refuses, is an error here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream, Dial, HangUp, Pause, Reject, Say, Verb


class PlivoXmlError(Exception):
    """Plivo would hang up, and write it into its log."""


def parse(text: str) -> list[Verb]:
    """The verbs in their order.

    Raises:
        PlivoXmlError: it is no Plivo XML.
    """
    try:
        root = ET.fromstring(text)  # noqa: S314 - it comes from the host under test
    except ET.ParseError as error:
        raise PlivoXmlError(f"no XML: {error}") from None
    if root.tag != "Response":
        raise PlivoXmlError("the root is no Response")
    return [_verb(element) for element in root]


def _verb(element: ET.Element) -> Verb:
    read = _VERBS.get(element.tag)
    if read is None:
        raise PlivoXmlError(f"{element.tag} is not known here")
    return read(element)


def _stream(element: ET.Element) -> ConnectStream:
    url = (element.text or "").strip()
    if urlsplit(url).scheme not in {"ws", "wss"}:
        raise PlivoXmlError("the stream's URL is no wss URL")
    if (element.get("bidirectional"), element.get("keepCallAlive")) != ("true", "true"):
        raise PlivoXmlError("such a stream hears and does not speak, or ends the call at once")
    if element.get("contentType") != "audio/x-mulaw;rate=8000":
        raise PlivoXmlError("what is played here is mu-law at 8 kHz; the default is linear PCM")
    return ConnectStream(url, {}, element.get("statusCallbackUrl", ""))


def _hang_up(element: ET.Element) -> Verb:
    reason = element.get("reason", "")
    if reason not in {"", "rejected", "busy"}:
        raise PlivoXmlError(f"{reason} is no reason of Hangup's")
    return Reject(reason) if reason else HangUp()


def _dial(element: ET.Element) -> Dial:
    whom = list(element)
    if len(whom) != 1 or whom[0].tag not in {"Number", "User"}:
        raise PlivoXmlError("Dial holds one Number or User")
    return Dial((whom[0].text or "").strip(), dict(element.attrib))


_VERBS: Mapping[str, Callable[[ET.Element], Verb]] = {
    "Stream": _stream,
    "Speak": lambda element: Say(element.text or ""),
    "Hangup": _hang_up,
    "Dial": _dial,
    "Wait": lambda element: Pause(float(element.get("length", "1"))),
}
