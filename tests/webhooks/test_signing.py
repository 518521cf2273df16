"""Receivers that use a Standard Webhooks library believe what we post, and only that."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from openclaw_actors.webhooks.signing import Signer

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEXT_SECRET = "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()


@given(body=st.text(st.characters(exclude_categories=("Cs",)), max_size=200), key=st.binary(min_size=24, max_size=64))
@settings(deadline=None, max_examples=50)
def test_the_reference_library_verifies_what_we_sign(body, key):
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = Signer(secret).headers("evt_1", int(time.time()), body.encode())
    Webhook(secret).verify(body, headers, json_parse=False)


def test_another_body_another_event_and_another_time_are_not_believed():
    now = int(time.time())
    headers = Signer(SECRET).headers("evt_1", now, b"{}")
    for changed, body in (
        (headers, "[]"),
        ({**headers, "webhook-id": "evt_2"}, "{}"),
        ({**headers, "webhook-timestamp": str(now - 1)}, "{}"),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, changed)


def test_while_a_secret_is_replaced_receivers_with_the_old_and_the_new_one_believe_it():
    headers = Signer(f"{SECRET} {NEXT_SECRET}").headers("evt_1", int(time.time()), b"{}")
    Webhook(SECRET).verify("{}", headers)
    Webhook(NEXT_SECRET).verify("{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(bytes(32)).decode()).verify("{}", headers)
