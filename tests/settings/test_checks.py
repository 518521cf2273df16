"""Settings that can't work together are refused before anything starts."""

from __future__ import annotations

import pytest

from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.load import load_settings

PREFIX = "OPENCLAW_ACTORS_"
_PUBLIC = {"SERVER__PUBLIC_URL": "https://voice.example.org"}


@pytest.mark.parametrize(
    ("variables", "key", "said"),
    [
        ({"SERVER__HOST": "0.0.0.0"}, "server.host", "a public bind without auth is refused"),
        ({"SERVER__HOST": "::"}, "server.host", "a public bind without auth is refused"),
        ({"SERVER__HOST": ""}, "server.host", "a public bind without auth is refused"),
        ({"SERVER__HOST": "192.168.1.5"}, "server.host", "a public bind without auth is refused"),
        ({"SERVER__HOST": "voice.example.org"}, "server.host", "a public bind without auth is refused"),
        ({"SERVER__PUBLIC_URL": "voice.example.org"}, "server.public_url", "a URL such as"),
        ({"SERVER__TRUSTED_PROXIES": '["proxy"]'}, "server.trusted_proxies[0]", "no address or network"),
        ({"AUTH__TOKENS": '["good", ""]'}, "auth.tokens[1]", "not empty"),
        ({"AUTH__TOKENS": '["two words"]'}, "auth.tokens[0]", "without spaces"),
        ({"CORS__ALLOW_ORIGINS": '["*"]'}, "cors.allow_origins[0]", "no origin"),
        ({"CORS__ALLOW_ORIGINS": '["https://a.example/"]'}, "cors.allow_origins[0]", "no origin"),
        ({"CORS__ALLOW_ORIGINS": '["https://A.example"]'}, "cors.allow_origins[0]", "no origin"),
        ({"CORS__ALLOW_ORIGINS": '["https://*.example"]'}, "cors.allow_origins[0]", "no origin"),
        ({"WEBRTC__UDP_PORT_RANGE": "[2, 1]"}, "webrtc.udp_port_range", "[lowest, highest]"),
        ({"WEBRTC__UDP_PORT_RANGE": "[0, 9]"}, "webrtc.udp_port_range", "[lowest, highest]"),
        ({"WEBRTC__ANNOUNCED_IPS": '["here"]'}, "webrtc.announced_ips[0]", "no IP address"),
        ({"WEBRTC__ICE_SERVERS": '[{urls = ["http://x"]}]'}, "webrtc.ice_servers[0].urls", "no such URL"),
        ({"WEBRTC__ICE_SERVERS": '[{urls = ["turn:x"]}]'}, "webrtc.ice_servers[0].credential", "needs username"),
        ({"TURNS__SILENCE_MS": "9000"}, "turns.silence_ms", "at most turns.max_silence_ms (1500)"),
        ({"TURNS__START_MS": "501"}, "turns.start_ms", "at most turns.interrupt_ms (500)"),
        ({"LIMITS__SDP_BYTES": "70000"}, "limits.sdp_bytes", "at most limits.body_bytes (65536)"),
        ({"SUPERVISION__BACKOFF_S": "[]"}, "supervision.backoff_s", "at least one"),
        ({"SUPERVISION__BACKOFF_JITTER": "2"}, "supervision.backoff_jitter", "between 0 and 1"),
        ({"AUTH__JOIN_SECRET": "short"}, "auth.join_secret", "32 bytes or more"),
        ({"NUMBERS__ALLOW_FROM": '["5550100001"]'}, "numbers.allow_from[0]", "in E.164"),
        ({"NUMBERS__ALLOW_FROM": '["+1555 0100001"]'}, "numbers.allow_from[0]", "no spaces"),
        ({"NUMBERS__ALLOW_FROM": '["+266696687"]'}, "numbers.allow_from[0]", "every caller without a number"),
        ({"NUMBERS__OUTBOUND_PREFIXES": '["0049"]'}, "numbers.outbound_prefixes[0]", "such as +49"),
        ({"NUMBERS__ROUTES": '{"desk" = {agent = "desk"}}'}, "numbers.routes.desk", "in E.164"),
        ({"NUMBERS__PIN": "12"}, "numbers.pin", "4 to 12 digits"),
        ({"NUMBERS__PIN": "letters"}, "numbers.pin", "4 to 12 digits"),
        ({"TWILIO__ACCOUNT_SID": "AC1", **_PUBLIC}, "twilio.auth_token", "nobody could tell"),
        ({"TWILIO__AUTH_TOKEN": "secret", **_PUBLIC}, "twilio.account_sid", "begins with AC"),
        ({"TWILIO__ACCOUNT_SID": "AC1", "TWILIO__AUTH_TOKEN": "secret"}, "server.public_url", "your carrier calls it"),
        (
            {
                "TWILIO__ACCOUNT_SID": "AC1",
                "TWILIO__AUTH_TOKEN": "secret",
                "SERVER__PUBLIC_URL": "http://voice.example.org",
            },
            "server.public_url",
            "must begin with https://",
        ),
        ({"AUTH__TOKENS": '["one", "one"]'}, "auth.tokens[1]", "given twice"),
        (
            {"AUTH__SCOPED_TOKENS": '[{name = "a", token = "t t", scopes = ["read"]}]'},
            "auth.scoped_tokens[0].token",
            "printable ASCII",
        ),
        (
            {"AUTH__SCOPED_TOKENS": '[{name = "a", token = "t", scopes = []}]'},
            "auth.scoped_tokens[0].scopes",
            "at least one scope",
        ),
        (
            {"AUTH__SCOPED_TOKENS": '[{name = "", token = "t", scopes = ["read"]}]'},
            "auth.scoped_tokens[0].name",
            "who has the token",
        ),
        (
            {"AUTH__SCOPED_TOKENS": '[{name = "a", token = "t", scopes = ["all"]}]'},
            "auth.scoped_tokens[0].scopes[0]",
            "'call:join', 'call:control', 'call:listen', 'read' or 'admin'",
        ),
        ({"STT__ENGINES": "[]"}, "stt.engines", "at least one"),
        ({"TTS__ENGINES": '["a", "a"]'}, "tts.engines", "twice"),
        ({"AGENT__OPENCLAW__BASE_URL": "gateway"}, "agent.openclaw.base_url", "a URL such as"),
        ({"AGENT__OPENAI__BASE_URL": "http://x/v1"}, "agent.openai.model", "is missing"),
    ],
)
def test_what_could_never_work_is_refused(variables, key, said):
    environ = {PREFIX + name: text for name, text in variables.items()}
    with pytest.raises(SettingsError) as caught:
        load_settings(None, environ)
    assert caught.value.also == ()
    assert caught.value.key == key
    assert said in caught.value.remedy


def test_a_conflict_names_the_variable_or_flag_that_brought_it():
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {PREFIX + "TURNS__SILENCE_MS": "9000"}, {"server.host": "0.0.0.0"})
    assert {fault.source for fault in (caught.value, *caught.value.also)} == {"--host", PREFIX + "TURNS__SILENCE_MS"}


@pytest.mark.parametrize(
    "variables",
    [
        {"SERVER__HOST": "127.8.8.8"},
        {"SERVER__HOST": "::1"},
        {"SERVER__HOST": "localhost"},
        {"SERVER__HOST": "0.0.0.0", "AUTH__TOKENS": '["a-token"]'},
        {"SERVER__HOST": "0.0.0.0", "AUTH__OFFER": "open"},
        {"SERVER__HOST": "0.0.0.0", "AUTH__SCOPED_TOKENS": '[{name = "a", token = "t", scopes = ["read"]}]'},
        {"SERVER__HOST": "0.0.0.0", "AUTH__JOIN_SECRET": "x" * 32},
        {"SERVER__PUBLIC_URL": "https://voice.example.org", "SERVER__TRUSTED_PROXIES": '["10.0.0.0/8", "::1"]'},
        {"CORS__ALLOW_ORIGINS": '["https://a.example:8443", "http://localhost:3000"]'},
        {"WEBRTC__UDP_PORT_RANGE": "[40000, 40000]", "WEBRTC__ANNOUNCED_IPS": '["203.0.113.7", "2001:db8::7"]'},
        {"WEBRTC__ICE_SERVERS": '[{urls = ["turn:x"]}]', "WEBRTC__TURN_SECRET": "s"},
        {"WEBRTC__ICE_SERVERS": '[{urls = ["turns:x", "stun:x"], username = "u", credential = "c"}]'},
    ],
)
def test_what_works_together_is_taken(variables):
    load_settings(None, {PREFIX + name: text for name, text in variables.items()})
