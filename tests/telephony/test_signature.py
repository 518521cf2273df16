"""Whose request it is. The vectors are Twilio's own and those of facts that other servers were measured with."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from openclaw_actors.errors import SettingsError
from openclaw_actors.telephony.forms import read_form
from openclaw_actors.telephony.twilio.signature import Signatures
from openclaw_actors.telephony.urls import Urls

HOST = "https://mycompany.com"
TARGET = "/myapp.php?foo=1&bar=2"
CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
REPEATED = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
OF_JSON = TARGET + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
JSON = b'{"property": "value", "boolean": true}'
ENDED = "CallStatus=completed&From=%2B15550000000"
ABC = "/voice/webhook?callId=abc"

GOOD = [
    ("12345", HOST, TARGET, urlencode(CALL), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ("12345", HOST, TARGET, urlencode(CALL), "kvajT1Ptam85bY51eRf/AJRuM3w="),  # Twilio signed it with :443
    ("12345", HOST + ":443", TARGET, urlencode(CALL), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ("12345", "http://mycompany.com:80", TARGET, urlencode(CALL), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ("12345", "http://mycompany.com", TARGET, urlencode(CALL), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ("12345", "http://mycompany.com:1234", TARGET, urlencode(CALL), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    ("12345", HOST, TARGET, urlencode(REPEATED), "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
    ("12345", HOST, OF_JSON, JSON.decode(), "a9nBmqA0ju/hNViExpshrM61xv4="),
    ("test-auth-token", "https://example.com", ABC, f"CallSid=CS123&{ENDED}", "vonREHy+OojVJW0au8iM4cqoW3E="),
    ("test-auth-token", "https://example.com", ABC, f"CallSid=CS777&{ENDED}", "V/2/Anb4SjQTT6tyxPIAR9Rq9Eg="),
    ("test-auth-token", "https://example.com", ABC, f"CallSid=CS778&{ENDED}", "EGryP2jFZmgGFv6psm1IDFSS7rY="),
    (
        *("test-auth-token", "https://local.ngrok-free.app", "/voice/webhook"),
        *(f"CallSid=CS123&{ENDED}", "FS0TeWUZeJwDuGgMzwd/av+LvGQ="),
    ),
    (
        *("test-auth-token", "https://myapp.ngrok.io", "/voice/webhook"),
        *(f"CallSid=CS123&{ENDED}", "pw7RThGkklazNAb5Zbka1vU7Di8="),
    ),
    (
        *("test-auth-token", "https://proxy.example.com", "/voice/webhook"),
        *(f"CallSid=CS123&{ENDED}", "vnvi4mLoJlAu5lrOkXSB1uUwc9Q="),
    ),
]


@pytest.mark.parametrize(("token", "public_url", "target", "body", "signature"), GOOD)
def test_the_official_vectors_are_taken(token, public_url, target, body, signature):
    assert Signatures(token, public_url).signs_request(target, body.encode(), signature)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("token", "12346"),
        ("public_url", "https://mycompany.org"),
        ("target", TARGET + "&baz=3"),
        ("target", "/myapp.php"),
        ("body", urlencode({**CALL, "From": "+14158675308"})),
        ("body", urlencode({**CALL, "More": ""})),
        ("body", ""),
        ("body", "CallSid=%ff"),
        ("body", "&".join(f"a{n}=" for n in range(1000))),
        ("body", "no form"),
        ("signature", ""),
        ("signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8"),
        ("signature", "rsoydt4t1cutdk1pdd93/vvr8b8="),
        ("signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=\u00e4"),
    ],
)
def test_whatever_is_changed_it_is_not_signed_any_more(change, value):
    token, public_url, target, body, signature = GOOD[0]
    asked = {"token": token, "public_url": public_url, "target": target, "body": body, "signature": signature}
    asked[change] = value
    signatures = Signatures(asked["token"], asked["public_url"])
    assert not signatures.signs_request(asked["target"], asked["body"].encode(), asked["signature"])


def test_a_body_that_is_signed_by_its_hash_must_have_that_hash():
    signatures = Signatures("12345", HOST)
    assert not signatures.signs_request(OF_JSON, JSON + b" ", "a9nBmqA0ju/hNViExpshrM61xv4=")


@pytest.mark.parametrize(
    "signature",
    [
        "mMz2VMM0lkwn4jdsSn6NDfbPvQ4=",
        "oFKrf71cPWJnUvq8WGDvCz1kxJQ=",  # Twilio signed it with :443, where twilio-python takes wss to be port 80
        "WwVbR9dgdq4ungBFcgI0GEgvCug=",  # and with a slash behind the path
    ],
)
def test_an_upgrade_is_signed_over_its_wss_url(signature):
    signatures = Signatures("12345", HOST)
    assert signatures.signs_upgrade("/voice/stream", signature)
    assert not signatures.signs_upgrade("/voice/stream2", signature)
    assert not signatures.signs_upgrade("/voice/stream?token=a", signature)
    assert not signatures.signs_request("/voice/stream", b"", signature)


def test_a_request_as_twilio_sends_it_is_taken_behind_a_path_of_the_proxys_and_at_an_ipv6_address():
    for public_url in ("https://example.org/voices/", "https://[2001:db8::7]", "https://[2001:db8::7]:8443"):
        url = Urls(public_url).hook("webhook")
        signature = RequestValidator("secret").compute_signature(url, {"CallSid": "CA1"})
        assert Signatures("secret", public_url).signs_request("/voice/webhook", b"CallSid=CA1", signature)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), min_size=1, max_size=8))
def test_any_form_is_read_as_twilio_signs_it(form):
    body = urlencode(form).encode()
    signature = RequestValidator("secret").compute_signature("https://example.org/voice/status?call=c", form)
    assert Signatures("secret", "https://example.org").signs_request("/voice/status?call=c", body, signature)
    assert dict(read_form(body)) == form


def test_without_a_secret_nothing_can_be_verified_so_nothing_begins():
    with pytest.raises(SettingsError, match=r"twilio\.auth_token"):
        Signatures("", HOST)
    with pytest.raises(SettingsError, match=r"server\.public_url"):
        Signatures("12345", "")
