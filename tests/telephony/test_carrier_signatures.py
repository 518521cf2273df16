"""Whose request it is, at Telnyx and Plivo. The vectors were made by other programs."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from openclaw_actors.errors import SettingsError
from openclaw_actors.telephony.plivo.signature import V2, V2_NONCE, V3, V3_NONCE
from openclaw_actors.telephony.plivo.signature import Signatures as Plivo
from openclaw_actors.telephony.telnyx.signature import Signatures as Telnyx
from openclaw_actors.testkit.providers.plivo.exchange import Exchange as PlivoExchange
from openclaw_actors.testkit.providers.telnyx.exchange import Exchange as TelnyxExchange

# --- Telnyx ---------------------------------------------------------------------------------------

KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
AT = 1_700_000_000
BODY = b'{"data":{"event_type":"call.initiated","payload":{"call_control_id":"call-1"}},"nonce":"fixed"}'
SIGNED = "ASlV1PP5BM7ZMQdSVuhT6oIJkLzXwD5YqqmmnTQncA1p2Mazenx6z80t6GgA+cLixbZwgiN3I7Pl9fTgF/1pDg=="


def telnyx(now: float = AT) -> Telnyx:
    return Telnyx(KEY, clock=lambda: now)


@pytest.mark.parametrize("now", [AT, AT + 300, AT - 300])
def test_telnyxs_vector_is_taken_within_five_minutes(now):
    assert telnyx(now).signs(str(AT), BODY, SIGNED)


@pytest.mark.parametrize(
    ("timestamp", "body", "signature", "now"),
    [
        (str(AT), BODY, SIGNED, AT + 301),
        (str(AT), BODY, SIGNED, AT - 301),
        (str(AT + 1), BODY, SIGNED, AT),
        (f"0{AT}", BODY, SIGNED, AT),
        (str(AT), BODY + b" ", SIGNED, AT),
        (str(AT), b"", SIGNED, AT),
        (str(AT), BODY, SIGNED[:-4], AT),
        (str(AT), BODY, "", AT),
        (str(AT), BODY, "junk", AT),
        (str(AT), BODY, "\u00e4" * 88, AT),
        ("", BODY, SIGNED, AT),
        ("-1", BODY, SIGNED, AT),
        ("\u0661" * 10, BODY, SIGNED, AT),
        ("9" * 400, BODY, SIGNED, AT),
    ],
)
def test_whatever_is_changed_or_late_is_not_telnyxs(timestamp, body, signature, now):
    assert not telnyx(now).signs(timestamp, body, signature)


@pytest.mark.parametrize("key", ["", "junk", "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMQ=="])
def test_without_telnyxs_key_nothing_begins(key):
    with pytest.raises(SettingsError, match=r"telnyx\.public_key"):
        Telnyx(key)


def test_the_played_telnyx_signs_as_the_vector_does():
    headers = TelnyxExchange("https://a.example", "").sign(BODY, str(AT))
    assert headers["telnyx-signature-ed25519"] == SIGNED


# --- Plivo ----------------------------------------------------------------------------------------

TOKEN, URL = "test-auth-token", "https://example.com"
FORM = {"CallUUID": "uuid", "CallStatus": "in-progress", "From": "+15550000000"}
TARGET = "/voice/webhook?flow=answer&callId=abc"
OF_V2 = ("nonce-123", "PJ9V+hFrV8Su5B6Bvt6VGdBBRCiXrBXSTYguozRD+CY=")
OF_V3 = ("nonce-456", "bC2SrisyhbS+0kQ0P5ZcXWYJcKAOkwrO60AVtfoARUc=")


def body(form=None) -> bytes:
    return urlencode(FORM if form is None else form).encode()


def v3(nonce: str, signature: str) -> CIMultiDict[str]:
    return CIMultiDict({V3: signature, V3_NONCE: nonce})


def v2(nonce: str, signature: str) -> CIMultiDict[str]:
    return CIMultiDict({V2: signature, V2_NONCE: nonce})


def test_plivos_vectors_are_taken():
    assert Plivo(TOKEN, URL).signs(TARGET, body(), v3(*OF_V3))
    assert Plivo(TOKEN, URL).signs("/voice/webhook", body(), v2(*OF_V2))


def test_one_of_several_signatures_is_enough():
    nonce, signature = OF_V3
    assert Plivo(TOKEN, URL).signs(TARGET, body(), v3(nonce, f"junk, {signature}"))
    assert not Plivo(TOKEN, URL).signs(TARGET, body(), v3(nonce, ",".join(["junk"] * 20 + [signature])))


@pytest.mark.parametrize(
    ("token", "url", "target", "form", "nonce"),
    [
        ("another", URL, TARGET, FORM, OF_V3[0]),
        (TOKEN, "https://example.org", TARGET, FORM, OF_V3[0]),
        (TOKEN, URL, TARGET + "&a=b", FORM, OF_V3[0]),
        (TOKEN, URL, "/voice/webhook", FORM, OF_V3[0]),
        (TOKEN, URL, TARGET, {**FORM, "From": "+15550000001"}, OF_V3[0]),
        (TOKEN, URL, TARGET, {}, OF_V3[0]),
        (TOKEN, URL, TARGET, FORM, "nonce-457"),
    ],
)
def test_whatever_is_changed_it_is_not_plivos(token, url, target, form, nonce):
    assert not Plivo(token, url).signs(target, body(form), v3(nonce, OF_V3[1]))


def test_what_is_no_form_is_not_plivos():
    assert not Plivo(TOKEN, URL).signs(TARGET, b"CallUUID=%ff", v3(*OF_V3))


def test_a_nonce_of_version_2_which_signs_no_field_is_good_for_one_body():
    signatures = Plivo(TOKEN, URL)
    for _ in range(2):  # what Plivo repeats
        assert signatures.signs("/voice/webhook", body(), v2(*OF_V2))
    assert not signatures.signs("/voice/webhook", body({**FORM, "From": "+15550000001"}), v2(*OF_V2))
    assert not signatures.signs("/voice/webhook?call=another", body(), v2(*OF_V2))


def test_a_bad_version_3_is_not_made_good_by_version_2():
    headers = v2(*OF_V2)
    headers.update(v3("nonce", "junk"))
    assert not Plivo(TOKEN, URL).signs("/voice/webhook", body(), headers)


@pytest.mark.parametrize(
    ("headers", "missing"),
    [
        (v3(*OF_V3), ""),
        (v2(*OF_V2), ""),
        (CIMultiDict(), V3),
        (CIMultiDict({V3: "a"}), V3_NONCE),
        (CIMultiDict([(V3, "a"), (V3, "b"), (V3_NONCE, "c")]), V3),
        (CIMultiDict({V2: "a"}), V3),
    ],
)
def test_a_signature_without_its_nonce_or_given_twice_is_none(headers, missing):
    assert Plivo.missing(headers) == missing


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=6),
    st.dictionaries(st.sampled_from("abcde"), st.text("xyz 1+&=", max_size=6), max_size=3),
)
def test_any_form_at_any_query_is_read_as_the_played_plivo_signs_it(form, query):
    target = "/voice/plivo/status" + (f"?{urlencode(query)}" if query else "")
    exchange = PlivoExchange(URL, "", TOKEN)
    for versions in ((3,), (2,), (3, 2)):
        exchange.versions = versions
        headers = CIMultiDict(exchange.sign(URL + target, form))
        assert Plivo(TOKEN, URL).signs(target, urlencode(form).encode(), headers)


def test_without_plivos_secret_nothing_begins():
    with pytest.raises(SettingsError, match=r"plivo\.auth_token"):
        Plivo("", URL)
