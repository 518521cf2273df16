"""What an SDP offer may hold, decided before any library parses it: pure, linear in the offer's length.

The offer is not filtered but written anew from the facts that were checked (RFC 8866 section 5.13: an unknown
attribute is ignored), so that nothing of a stranger's text reaches the parser behind it. It keeps one audio
section with one codec, and one data-channel section; all others are answered as rejected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import OPUS, PCMU, Codec
from openclaw_actors.settings.sections import Limits
from openclaw_actors.transports.webrtc.candidates import checked_candidate

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`{|}~0-9A-Za-z]{1,64}")
_ICE_SECRET = re.compile(r"[!-~]{4,256}")
_FINGERPRINT = re.compile(r"(sha-256|sha-384|sha-512) +([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31,63})", re.IGNORECASE)
_MEDIA = re.compile(r"m=([a-z]{1,32}) ([0-9]{1,5})(?:/[0-9]{1,5})? ([A-Z/]{1,32}) ([!-~][!-~ ]{0,1999})")
_MID_EXTENSION = re.compile(r"([1-9]|1[0-4])(?:/[a-z]{1,8})? urn:ietf:params:rtp-hdrext:sdes:mid")
_RTPMAP = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9\-]{1,32})/([0-9]{1,6})(?:/([0-9]))?")

_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_SETUP = ("actpass", "active", "passive")
_DYNAMIC_TYPES = range(96, 128)
"""The payload types that aiortc takes over from an offer (RFC 3551 section 3)."""
_MAX_SECTIONS = 32
"""A browser's voice call has two; a video conference's page a dozen."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A media section that the answer turns down.

    Args:
        index: its place among the offer's sections, from 0.
        section: its lines in the answer.
    """

    index: int
    section: str


@dataclass(frozen=True, slots=True)
class CheckedOffer:
    """An offer that is safe to give to aiortc.

    Args:
        sdp: the offer, written anew.
        codec: what both sides will speak.
        has_data_channel: the client opens data channels.
        rejected: the sections that ``complete_answer`` puts back.
        bundled: the mids that the client offered as one bundle.
        mids: the mids of the sections that are kept.
        ufrag: names the client's ICE session.
        candidates: how many came with the offer.
    """

    sdp: str
    codec: Codec
    has_data_channel: bool
    rejected: tuple[Rejected, ...] = ()
    bundled: tuple[str, ...] = ()
    mids: tuple[str, ...] = ()
    ufrag: str = ""
    candidates: int = 0


@dataclass(slots=True)
class _Section:
    """One ``m=`` section as offered; ``attributes`` are its ``a=`` lines, name and value, in order."""

    kind: str
    port: int
    profile: str
    formats: list[str]
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.attributes)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]

    def last(self, name: str, default: str = "") -> str:
        values = self.values(name)
        return values[-1] if values else default

    @property
    def mid(self) -> str:
        mid = self.last("mid")
        return mid if _TOKEN.fullmatch(mid) else ""

    @property
    def direction(self) -> str:
        named = [key for key, _ in self.attributes if key in _DIRECTIONS]
        return named[-1] if named else "sendrecv"

    @property
    def offered(self) -> bool:
        return self.port != 0 or self.has("bundle-only")


def check_offer(sdp: str, *, limits: Limits, allow_private: bool) -> CheckedOffer:
    """Check an offer and write it anew.

    Args:
        sdp: the text that a client sent.
        limits: ``sdp_bytes`` bounds the text, ``candidates`` the candidates of one section.
        allow_private: candidates in private networks are kept.

    Raises:
        RefusalError: 413 ``sdp_too_large``; 400 ``bad_sdp``; 422 ``no_audio``, ``no_codec`` or
            ``too_many_candidates``. Its detail tells the client's author what to do.
    """
    if len(sdp) > limits.sdp_bytes or len(sdp.encode("utf-8", "surrogatepass")) > limits.sdp_bytes:
        raise RefusalError(
            413,
            "sdp_too_large",
            f"The offer is longer than {limits.sdp_bytes} bytes: offer one audio track, without video.",
        )
    session, sections = _parse(sdp)
    audio = _choose_audio(sections)
    codec, payload_type = _choose_codec(audio)
    data = next((s for s in sections if _is_data_channel(s)), None)
    kept = [s for s in sections if s is audio or s is data]
    for section in kept:
        if len(section.values("candidate")) > limits.candidates:
            raise RefusalError(
                422,
                "too_many_candidates",
                f"A media section holds more than {limits.candidates} candidates: "
                "restrict the network interfaces, or use a relay.",
            )
    bundled = _bundle(session, kept)
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    if bundled:
        lines.append("a=group:BUNDLE " + " ".join(bundled))
    lines.append("a=msid-semantic:WMS *")
    if any(key == "ice-lite" for key, _ in session):
        lines.append("a=ice-lite")
    for section in kept:
        if section is audio:
            lines += _audio_lines(section, codec, payload_type)
        else:
            lines += _data_lines(section)
        lines += _transport_lines(session, section, allow_private=allow_private)
    rejected = tuple(
        Rejected(index, _rejection(section))
        for index, section in enumerate(sections)
        if section is not audio and section is not data
    )
    return CheckedOffer(
        "\r\n".join(lines) + "\r\n",
        codec,
        data is not None,
        rejected,
        bundled=tuple(bundled),
        mids=tuple(section.mid for section in kept),
        ufrag=audio.last("ice-ufrag") or _Section("", 0, "", [], session).last("ice-ufrag"),
        candidates=sum(len(section.values("candidate")) for section in kept),
    )


def complete_answer(answer: str, offer: CheckedOffer) -> str:
    """Put the rejected sections back where they were offered (RFC 3264 section 6: as many as offered).

    Args:
        answer: what aiortc answered to ``offer.sdp``.
        offer: the checked offer.
    """
    session, *accepted = re.split(r"(?m)^(?=m=)", answer)
    # A group that was not offered must not be answered (RFC 5888 section 6); aiortc always writes one.
    group = f"a=group:BUNDLE {' '.join(offer.bundled)}\r\n" if offer.bundled else ""
    session = re.sub(r"(?m)^a=group:.*\r?\n", group, session)
    for rejected in offer.rejected:
        accepted.insert(rejected.index, rejected.section)
    return session + "".join(accepted)


def _bad(detail: str) -> RefusalError:
    return RefusalError(400, "bad_sdp", detail)


def _parse(sdp: str) -> tuple[list[tuple[str, str]], list[_Section]]:
    lines = sdp.replace("\r\n", "\n").split("\n")
    if lines[0] != "v=0":
        raise _bad('The text is no SDP: it must begin with "v=0". Send RTCPeerConnection.localDescription.sdp.')
    session: list[tuple[str, str]] = []
    sections: list[_Section] = []
    attributes = session
    for line in lines[1:]:
        if line.startswith("m="):
            if len(sections) == _MAX_SECTIONS:
                raise _bad(f"The offer has more than {_MAX_SECTIONS} media sections: offer one audio track.")
            found = _MEDIA.fullmatch(line)
            if not found:
                raise _bad(f"Media section {len(sections)} begins with an unreadable m= line.")
            kind, port, profile, formats = found.groups()
            sections.append(_Section(kind, int(port), profile, formats.split()))
            attributes = sections[-1].attributes
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            attributes.append((name, value.strip(" ")))
    return session, sections


def _choose_audio(sections: list[_Section]) -> _Section:
    for section in sections:
        if (
            section.kind == "audio"
            and section.offered
            and section.profile.endswith("RTP/SAVPF")
            and section.direction != "inactive"
        ):
            return section
    raise RefusalError(
        422, "no_audio", "The offer has no active audio section: add a microphone track before createOffer()."
    )


def _choose_codec(audio: _Section) -> tuple[Codec, int]:
    """Opus where it is offered, else PCMU; with its payload type."""
    found: dict[str, int] = {}
    if "0" in audio.formats:
        found["pcmu"] = 0  # a static payload type needs no rtpmap (RFC 3551 table 4)
    for value in audio.values("rtpmap"):
        match = _RTPMAP.fullmatch(value)
        if not match or match[1] not in audio.formats or int(match[1]) not in _DYNAMIC_TYPES:
            continue
        encoding = (match[2].lower(), match[3])
        if encoding == ("opus", "48000"):
            found.setdefault("opus", int(match[1]))
        elif encoding == ("pcmu", "8000"):
            found.setdefault("pcmu", int(match[1]))
    for codec in (OPUS, PCMU):
        if codec.name in found:
            return codec, found[codec.name]
    raise RefusalError(
        422, "no_codec", "The offer has neither Opus nor PCMU (G.711 mu-law): enable one of them in the client."
    )


def _is_data_channel(section: _Section) -> bool:
    if section.kind != "application" or not section.offered or not section.profile.endswith("DTLS/SCTP"):
        return False
    if section.profile == "DTLS/SCTP":  # the form before RFC 8841
        return _sctp_port(section.formats[0]) > 0
    return section.formats == ["webrtc-datachannel"] and _sctp_port(section.last("sctp-port")) > 0


def _sctp_port(value: str) -> int:
    return int(value) if re.fullmatch(r"[0-9]{1,5}", value) and int(value) < 65_536 else 0


def _bundle(session: list[tuple[str, str]], kept: list[_Section]) -> list[str]:
    mids = {section.mid for section in kept} - {""}
    for name, value in session:
        semantic, *members = value.split(" ") if name == "group" else [""]
        if semantic == "BUNDLE":
            return [mid for mid in dict.fromkeys(members) if mid in mids]
    return []


def _audio_lines(audio: _Section, codec: Codec, payload_type: int) -> list[str]:
    if not audio.has("rtcp-mux"):
        raise _bad("The audio section lacks a=rtcp-mux (RFC 5761), which WebRTC demands.")
    encoding = "opus/48000/2" if codec is OPUS else "PCMU/8000"
    lines = [f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}", "c=IN IP4 0.0.0.0", f"a={audio.direction}"]
    lines += [
        f"a=extmap:{match[1]} urn:ietf:params:rtp-hdrext:sdes:mid"
        for value in audio.values("extmap")[:64]
        if (match := _MID_EXTENSION.fullmatch(value))
    ][:1]
    return [*lines, "a=rtcp-mux", f"a=rtpmap:{payload_type} {encoding}"]


def _data_lines(data: _Section) -> list[str]:
    size = data.last("max-message-size")
    # 64 KiB is what stands when nothing does (RFC 8841 section 6.1).
    limit = size if re.fullmatch(r"[0-9]{1,9}", size) else "65536"
    if data.profile == "DTLS/SCTP":
        port = _sctp_port(data.formats[0])
        lines = [f"m=application 9 DTLS/SCTP {port}", f"a=sctpmap:{port} webrtc-datachannel 65535"]
    else:
        port = _sctp_port(data.last("sctp-port"))
        lines = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", f"a=sctp-port:{port}"]
    return [lines[0], "c=IN IP4 0.0.0.0", *lines[1:], f"a=max-message-size:{limit}"]


def _transport_lines(session: list[tuple[str, str]], section: _Section, *, allow_private: bool) -> list[str]:
    """mid, ICE, DTLS and candidates of a section; what it lacks stands at the session's level."""
    both = _Section(section.kind, 9, section.profile, [], [*session, *section.attributes])
    where = f"the {section.kind} section"
    ufrag, password = both.last("ice-ufrag"), both.last("ice-pwd")
    if not _ICE_SECRET.fullmatch(ufrag) or not _ICE_SECRET.fullmatch(password):
        raise _bad(f"ICE credentials (a=ice-ufrag and a=ice-pwd) are missing or malformed in {where}.")
    fingerprints = [m for v in both.values("fingerprint")[:8] if (m := _FINGERPRINT.fullmatch(v))]
    if not fingerprints:
        raise _bad(f"A DTLS fingerprint (a=fingerprint with sha-256 or longer) is missing in {where}.")
    setup = both.last("setup")
    if setup not in _SETUP:
        raise _bad(f"a=setup must be actpass, active or passive in {where} (RFC 8842).")
    lines = [f"a=mid:{section.mid}"] if section.mid else []
    lines += [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}"]
    lines += [f"a=fingerprint:{m[1].lower()} {m[2]}" for m in fingerprints]
    lines.append(f"a=setup:{setup}")
    # a=end-of-candidates is left out: with all candidates refused, as a page's mDNS names are, aioice would fail
    # at once instead of waiting for the client's own checks, which reach us from a peer-reflexive address.
    candidates = (checked_candidate(v, allow_private=allow_private) for v in section.values("candidate"))
    return [*lines, *dict.fromkeys(f"a=candidate:{candidate}" for candidate in candidates if candidate)]


def _rejection(section: _Section) -> str:
    # The formats of a rejected section mean nothing, but one must stand (RFC 3264 section 6).
    lines = [f"m={section.kind} 0 {section.profile} {section.formats[0]}", "c=IN IP4 0.0.0.0", "a=inactive"]
    if section.mid:
        lines.append(f"a=mid:{section.mid}")
    return "\r\n".join(lines) + "\r\n"
