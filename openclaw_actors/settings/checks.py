"""What may not go together, or could never work: found before anything starts."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from openclaw_actors.settings.hours import Span, first_outside, named_zone, parse_span
from openclaw_actors.settings.keys import Key, all_keys
from openclaw_actors.settings.numbers import WITHHELD, is_e164, tidy
from openclaw_actors.settings.sections import IceServer, Section, Settings, Voicemail, Webhooks

_PIN = re.compile(r"[0-9]{4,12}")
"""Three tries at four digits: a stranger gets in once in 3,333 calls."""
_JOIN_SECRET_BYTES = 32
"""A shorter key than its hash weakens HS256 (RFC 7518 §3.2)."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A setting that can't stand as it is."""

    key: Key
    remedy: str


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """All of them, in the order of the file."""
    yield from _of_server(settings)
    yield from _of_tokens(settings)
    yield from _of_numbers(settings)
    yield from _of_origins(settings)
    yield from _of_webrtc(settings)
    yield from _of_engines(settings)
    yield from _of_carriers(settings)
    yield from _of_phone_numbers(settings)
    yield from _of_voicemail(settings.voicemail)
    yield from _of_webhooks(settings.webhooks)
    yield from _of_cluster(settings)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server bound to ``host``; of other names that can't be known."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _of_server(settings: Settings) -> Iterator[Conflict]:
    server, auth = settings.server, settings.auth
    secured = auth.tokens or auth.scoped_tokens or auth.join_secret.get_secret_value() or auth.offer == "open"
    if not is_loopback(server.host) and not secured:
        yield Conflict(
            ("server", "host"),
            f"a public bind without auth is refused ({server.host!r} is not loopback); "
            'put a token in auth.tokens, or set auth.offer = "open" if a proxy guards the offers',
        )
    traces = settings.traces.endpoint
    if traces and not _is_url(traces, ("http", "https")):
        yield Conflict(("traces", "endpoint"), "it must be a URL such as http://127.0.0.1:4318, or empty")
    if server.public_url and not _is_url(server.public_url, ("http", "https")):
        yield Conflict(("server", "public_url"), "it must be a URL such as https://voice.example.org, or empty")
    for index, proxy in enumerate(server.trusted_proxies):
        if not _is_network(proxy):
            yield Conflict(
                ("server", "trusted_proxies", index),
                f"{proxy!r} is no address or network; write one such as 10.0.0.5 or 10.0.0.0/8",
            )


def _of_tokens(settings: Settings) -> Iterator[Conflict]:
    auth = settings.auth
    places: list[tuple[Key, SecretStr]] = [(("auth", "tokens", i), token) for i, token in enumerate(auth.tokens)]
    places += [(("auth", "scoped_tokens", i, "token"), each.token) for i, each in enumerate(auth.scoped_tokens)]
    seen: set[str] = set()
    for key, token in places:
        text = token.get_secret_value()
        # RFC 6750 §2.1: anything else can't be sent in an Authorization header.
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            yield Conflict(
                key,
                "a token must be printable ASCII without spaces, and not empty; make one with: openssl rand -hex 32",
            )
        elif text in seen:
            yield Conflict(key, "this token is given twice; make another with: openssl rand -hex 32")
        seen.add(text)
    for index, each in enumerate(auth.scoped_tokens):
        if not each.scopes:
            yield Conflict(("auth", "scoped_tokens", index, "scopes"), "it must name at least one scope, such as read")
        if not each.name:
            yield Conflict(("auth", "scoped_tokens", index, "name"), "it must not be empty: say who has the token")
    secret = auth.join_secret.get_secret_value()
    if secret and len(secret.encode()) < _JOIN_SECRET_BYTES:
        yield Conflict(
            ("auth", "join_secret"),
            f"it must have {_JOIN_SECRET_BYTES} bytes or more (RFC 7518 section 3.2); "
            "make one with: openssl rand -hex 32",
        )


def _of_numbers(settings: Settings) -> Iterator[Conflict]:
    limits, turns, supervision = settings.limits, settings.turns, settings.supervision
    if limits.sdp_bytes > limits.body_bytes:
        yield Conflict(
            ("limits", "sdp_bytes"), f"it must be at most limits.body_bytes ({limits.body_bytes}), which carries it"
        )
    if turns.silence_ms > turns.max_silence_ms:
        yield Conflict(("turns", "silence_ms"), f"it must be at most turns.max_silence_ms ({turns.max_silence_ms})")
    if turns.start_ms > turns.interrupt_ms:
        yield Conflict(("turns", "start_ms"), f"it must be at most turns.interrupt_ms ({turns.interrupt_ms})")
    if not supervision.backoff_s or min(supervision.backoff_s) < 0:
        yield Conflict(("supervision", "backoff_s"), "it must hold at least one delay, none below 0")
    if not 0 <= supervision.backoff_jitter <= 1:
        yield Conflict(("supervision", "backoff_jitter"), "it must be between 0 and 1: a share of the delay")
    low, high = settings.webrtc.udp_port_range
    if low > high or (low == 0) != (high == 0):
        yield Conflict(
            ("webrtc", "udp_port_range"), "write [lowest, highest], such as [40000, 40999], or [0, 0] for any port"
        )


def _of_origins(settings: Settings) -> Iterator[Conflict]:
    for index, origin in enumerate(settings.cors.allow_origins):
        parts = urlsplit(origin)
        exact = f"{parts.scheme}://{parts.netloc}"
        if not _is_url(origin, ("http", "https")) or exact != origin or origin != origin.lower() or "*" in origin:
            yield Conflict(
                ("cors", "allow_origins", index),
                f"{origin!r} is no origin; write scheme, host and port as the browser sends them, "
                "such as https://app.example.org",
            )


def _of_webrtc(settings: Settings) -> Iterator[Conflict]:
    for index, address in enumerate(settings.webrtc.announced_ips):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield Conflict(
                ("webrtc", "announced_ips", index), f"{address!r} is no IP address; write one such as 203.0.113.7"
            )
    derived = bool(settings.webrtc.turn_secret.get_secret_value())
    for index, server in enumerate(settings.webrtc.ice_servers):
        yield from _of_ice_server(("webrtc", "ice_servers", index), server, derived=derived)


def _of_ice_server(key: Key, server: IceServer, *, derived: bool) -> Iterator[Conflict]:
    relays = False
    for url in server.urls:
        scheme, _, rest = url.partition(":")
        if scheme not in ("stun", "stuns", "turn", "turns") or not rest:
            yield Conflict((*key, "urls"), f"{url!r} is no such URL; write one such as turn:turn.example.org:3478")
        relays |= scheme in ("turn", "turns")
    if not server.urls:
        yield Conflict((*key, "urls"), "it must hold at least one URL, such as stun:stun.example.org:3478")
    if relays and not derived and not (server.username and server.credential.get_secret_value()):
        yield Conflict(
            (*key, "credential"),
            "a TURN server needs username and credential, or webrtc.turn_secret to make them from",
        )


def _of_engines(settings: Settings) -> Iterator[Conflict]:
    for stage in ("stt", "agent", "tts"):
        engines: tuple[str, ...] = getattr(settings, stage).engines
        if not engines:
            yield Conflict((stage, "engines"), "it must name at least one engine")
        elif len(set(engines)) < len(engines):
            yield Conflict((stage, "engines"), "it names an engine twice; name each once, in order of preference")
    for key in all_keys():
        if key[-1] == "base_url":
            section = getattr(getattr(settings, key[0]), key[1])
            if section.base_url and not _is_url(section.base_url, ("http", "https")):
                yield Conflict(key, "it must be a URL such as http://127.0.0.1:8000/v1, or empty")
    if settings.agent.openai.base_url and not settings.agent.openai.model:
        yield Conflict(("agent", "openai", "model"), "it is missing; name a model that agent.openai.base_url serves")


_ACCOUNTS: Mapping[str, Mapping[str, str]] = {
    "twilio": {
        "account_sid": "it begins with AC and stands in Twilio's console",
        "auth_token": "without it nobody could tell Twilio's webhooks from anybody else's; "
        "the primary one stands in Twilio's console",
    },
    "telnyx": {
        "api_key": "it begins with KEY and is made in Telnyx's portal, under API Keys",
        "public_key": "without it nobody could tell Telnyx's webhooks from anybody else's; "
        "it stands in Telnyx's portal, under Keys & Credentials, Public Key",
        "connection_id": "it is the id of your Call Control application, in Telnyx's portal under Voice",
    },
    "plivo": {
        "auth_id": "it begins with MA and stands in Plivo's console",
        "auth_token": "without it nobody could tell Plivo's webhooks from anybody else's; it stands in Plivo's console",
    },
}
"""What each carrier can't do without, and where it is found."""


def _of_carriers(settings: Settings) -> Iterator[Conflict]:
    """All or nothing: what can't be verified is never answered, so half a configuration would take no call."""
    asked = [name for name in _ACCOUNTS if _is_begun(getattr(settings, name))]
    for name in asked:
        section = getattr(settings, name)
        for key, where in _ACCOUNTS[name].items():
            if not _plain(getattr(section, key)):
                yield Conflict((name, key), f"it is missing; {where}")
        url = section.api_base_url
        if url and not _is_url(url, ("http", "https")):
            yield Conflict((name, "api_base_url"), "it must be a URL, or be left out")
    if settings.telnyx.public_key and not _is_public_key(settings.telnyx.public_key):
        yield Conflict(("telnyx", "public_key"), "it must be 32 bytes in base64, 44 characters, as the portal shows it")
    wanted: dict[Key, str] = {("outbound", "carrier"): settings.outbound.carrier}
    wanted |= {("numbers", "routes", each, "carrier"): route.carrier for each, route in settings.numbers.routes.items()}
    for place, name in wanted.items():
        if name and name not in asked:
            yield Conflict(place, f"{name} is not configured; fill in the section [{name}], or leave this out")
    if asked:
        yield from _of_public_url(settings.server.public_url)


def _of_public_url(url: str) -> Iterator[Conflict]:
    if not url:
        yield Conflict(
            ("server", "public_url"),
            "it is missing: your carrier calls it, and signs it; write the address of your proxy or tunnel, "
            "such as https://voice.example.org",
        )
    elif _is_url(url, ("http",)) and not is_loopback(urlsplit(url).hostname or ""):
        yield Conflict(("server", "public_url"), "it must begin with https://: carriers' media streams take wss alone")


def _is_begun(section: Section) -> bool:
    """Whether anything of an account is filled in."""
    return any(_plain(getattr(section, key)) for key in type(section).model_fields if key != "api_base_url")


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _is_public_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except binascii.Error:
        return False


_PREFIX = re.compile(r"\+[1-9][0-9]{0,13}")


def _of_phone_numbers(settings: Settings) -> Iterator[Conflict]:
    """What is no number would match nobody, and its owner would not know why nobody can call."""
    numbers = settings.numbers
    written = "write it in E.164, such as +15550100001: a plus, the country, no spaces"
    for name in _ACCOUNTS:
        number = getattr(settings, name).from_number
        if number and not is_e164(number):
            yield Conflict((name, "from_number"), f"{number!r} is no number; {written}")
    for index, caller in enumerate(numbers.allow_from):
        if not is_e164(caller):
            yield Conflict(("numbers", "allow_from", index), f"{caller!r} is no number; {written}")
        elif caller in WITHHELD:
            yield Conflict(
                ("numbers", "allow_from", index),
                f"{caller} stands for every caller without a number; if all of them may call, set "
                'numbers.inbound_policy = "open"',
            )
    for index, prefix in enumerate(numbers.outbound_prefixes):
        if not _PREFIX.fullmatch(prefix):
            yield Conflict(
                ("numbers", "outbound_prefixes", index),
                f"{prefix!r} is not how a number begins; write a plus and digits, such as +49 or +1415",
            )
    for route in numbers.routes:
        if not is_e164(tidy(route)):
            yield Conflict(("numbers", "routes", route), f"it is no number; {written}")
    pin = numbers.pin.get_secret_value()
    if pin and not _PIN.fullmatch(pin):
        yield Conflict(("numbers", "pin"), "it must be 4 to 12 digits, which a caller can press or say")


def _of_voicemail(voicemail: Voicemail) -> Iterator[Conflict]:
    for prefix in voicemail.time_zones:
        if not _PREFIX.fullmatch(prefix):
            yield Conflict(
                ("voicemail", "time_zones", prefix), "it is not how a number begins; write one such as +49 or +1415"
            )
    zones: list[tuple[Key, str]] = [(("voicemail", "time_zone"), voicemail.time_zone)]
    zones += [(("voicemail", "time_zones", prefix), zone) for prefix, zone in voicemail.time_zones.items()]
    for key, zone in zones:
        try:
            named_zone(zone)
        except ValueError as error:
            yield Conflict(key, str(error))
    for name, texts in (("quiet_hours", voicemail.quiet_hours), ("closed_hours", voicemail.closed_hours)):
        spans: list[Span] = []
        for index, text in enumerate(texts):
            try:
                spans.append(parse_span(text))
            except ValueError as error:
                yield Conflict(("voicemail", name, index), str(error))
        if name == "quiet_hours" and first_outside(datetime.now(UTC), spans, ZoneInfo("UTC")) is None:
            yield Conflict(
                ("voicemail", name), "they are the whole week; to call nobody back set voicemail.call_back = false"
            )


def _of_webhooks(webhooks: Webhooks) -> Iterator[Conflict]:
    for index, url in enumerate(webhooks.urls):
        key = ("webhooks", "urls", index)
        if not _is_url(url, ("http", "https")) or "#" in url:
            yield Conflict(key, "it must be a URL such as https://hooks.example.org/calls")
        elif "@" in urlsplit(url).netloc:
            yield Conflict(key, "take name and password out of it: each delivery is signed with webhooks.secret")
        elif url in webhooks.urls[:index]:
            yield Conflict(key, "it is there already; name each URL once")
        elif not webhooks.allow_private and _is_inside(urlsplit(url).hostname or ""):
            yield Conflict(key, "it leads to this machine or a private network; if that is meant, set allow_private")
    secrets = webhooks.secret.get_secret_value().split()
    if not all(map(_is_signing_secret, secrets)) or (webhooks.urls and not secrets):
        yield Conflict(
            ("webhooks", "secret"),
            "it must be whsec_ and 24 to 64 bytes in base64, with which receivers check who posts; "
            'make one with: echo "whsec_$(openssl rand -base64 32)"',
        )


def _of_cluster(settings: Settings) -> Iterator[Conflict]:
    """Hosts on several machines share their records, and sign for each other; what engines that are shared need."""
    cluster = settings.cluster
    if cluster.address and cluster.engine != "ray":
        yield Conflict(("cluster", "engine"), 'an address is of a Ray cluster; write engine = "ray"')
    if cluster.address and not settings.store.url.startswith("postgres"):
        yield Conflict(
            ("store", "url"),
            "hosts on several machines share their records, which SQLite can't; write one such as "
            "postgresql://user:password@db.example.org/calls",
        )
    if cluster.address and not settings.auth.join_secret.get_secret_value():
        yield Conflict(
            ("auth", "join_secret"),
            "it is missing: all hosts of a cluster sign with the same; make one with: openssl rand -hex 32",
        )
    if cluster.engines and not cluster.wanted:
        yield Conflict(
            ("cluster", "engines"),
            'engines are shared by the hosts of a cluster: set cluster.engine = "ray", or this to 0',
        )
    if cluster.engines and not cluster.shared:
        yield Conflict(("cluster", "shared"), "it must name at least one engine, or set cluster.engines = 0")
    if cluster.engine_gpus > 1 and cluster.engine_gpus % 1:
        yield Conflict(
            ("cluster", "engine_gpus"), "above 1 it must be a whole number: Ray gives parts of one GPU alone"
        )


def _is_inside(host: str) -> bool:
    """Whether it is plain without a look-up that ``host`` is none of the outside world; names are judged when used."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_signing_secret(text: str) -> bool:
    """Whether it is a symmetric secret as Standard Webhooks wants it (its section "Signature scheme")."""
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    return text.startswith("whsec_") and 24 <= len(key) <= 64


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname) and port != 0 and " " not in text


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
