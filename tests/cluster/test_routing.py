"""Whatever a request names, it goes to the host whose it is; what names none goes where it does least harm."""

from __future__ import annotations

import json

import pytest

from openclaw_actors.cluster.carrier_mail import Addressee, CarrierMail
from openclaw_actors.cluster.merging import _Ids, merged_calls, summed_nodes
from openclaw_actors.cluster.routing import Way, needs_body, way_of
from openclaw_actors.names import BY_ITSELF, Names, host_of_call, host_of_session, host_of_token
from openclaw_actors.settings.sections import Server, Settings, Twilio

W1, W2 = Names("w1", b"k" * 32), Names("w2", b"k" * 32)
# Fixed: tests are named by them, and two runs side by side must agree on the names.
CALL = f"call_{'0' * 26}-w1"
OLD = f"call_{'0' * 26}"
SECRET = "A" * 22


def way(method: str, path: str, body: object = None, query: dict[str, str] | None = None, **headers: str) -> Way:
    return way_of(method, path, query or {}, headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", f"/v1/calls/{CALL}", Way("host", "w1", "any")),
        ("GET", f"/v1/calls/{CALL}/events", Way("host", "w1", "any")),
        ("POST", f"/v1/calls/{CALL}/actions/say", Way("host", "w1", "any")),
        ("DELETE", f"/v1/calls/{OLD}", Way("any")),
        ("GET", "/v1/calls/../../etc/passwd", Way("any")),
        ("DELETE", f"/webrtc/sessions/w2.{SECRET}", Way("host", "w2", "any")),
        ("PATCH", f"/webrtc/sessions/{SECRET}", Way("any")),
        ("GET", "/voice/stream/w2", Way("host", "w2", "any")),
        ("GET", "/voice/telnyx/stream/w2", Way("host", "w2", "any")),
        ("GET", "/voice/stream", Way("any")),
        ("POST", "/v1/calls", Way("place")),
        ("GET", "/v1/calls", Way("any")),
        ("GET", "/v1/events", Way("events")),
        ("GET", "/readyz", Way("front")),
        ("GET", "/metrics", Way("front")),
        ("GET", "/v1/node", Way("machine")),
        ("POST", "/voice/webhook", Way("carrier")),
        ("GET", "/", Way("any")),
        ("OPTIONS", "/webrtc/offer", Way("any")),
    ],
)
def test_what_stands_in_a_path_decides(method, path, expected):
    assert way(method, path) == expected


def test_a_new_offer_is_placed_and_one_that_comes_back_goes_to_its_host():
    offer = {"sdp": "…", "type": "offer"}
    assert way("POST", "/webrtc/offer", offer) == Way("place")
    assert way("POST", "/webrtc/offer", {**offer, "resume": W1.resume_token(CALL)}) == Way("host", "w1", "place")
    assert way("POST", "/webrtc/offer", {**offer, "resume": 7}) == Way("place")
    assert way("POST", "/webrtc/offer", ["no", "offer"]) == Way("place")
    assert way_of("POST", "/webrtc/offer", {}, {}, b"\xff{") == Way("place")
    token = W1.resume_token(CALL)
    assert way("POST", "/webrtc/whip", **{"Openclaw-Resume-Token": token}) == Way("host", "w1", "place")


def test_who_names_a_host_means_that_one():
    for path in ("/v1/node", "/v1/node/drain", "/v1/node/restart", "/metrics"):
        assert way("POST", path, query={"host": "w2"}) == Way("host", "w2")
    assert way("GET", "/v1/calls", query={"live": "true"}) == Way("calls")
    assert way("GET", "/v1/calls", query={"live": "false"}) == Way("any")


def test_a_body_is_read_where_it_decides_or_may_have_to_be_sent_again():
    assert needs_body("POST", "/webrtc/offer")
    assert needs_body("POST", "/voice/telnyx/webhook")
    assert not needs_body("POST", f"/v1/calls/{CALL}/actions/play")
    assert not needs_body("GET", "/webrtc/offer")


def test_names_lead_back_to_their_host_and_tokens_can_t_be_forged():
    assert (host_of_call(CALL), host_of_session(W1.secret())) == ("w1", "w1")
    token = W1.resume_token(CALL)
    assert host_of_token(token) == "w1"
    assert (W1.call_of(token), W2.call_of(token)) == (CALL, CALL), "any host of the cluster takes it"
    assert Names("w1", b"another key").call_of(token) == ""
    assert W2.call_of(token.replace(CALL, W2.call_id())) == ""
    for junk in ("", ".", "..", "a.b.c", token + "x", token[:-1], "\udce4.x.y"):
        assert W1.call_of(junk) == ""
    assert BY_ITSELF.call_of(BY_ITSELF.resume_token(OLD)) == ""
    assert host_of_call("call_01ARZ3NDEKTSV4RRFFQ69G5FAV-W1") == host_of_session("x") == host_of_token("x") == ""


def test_ids_of_different_hosts_sort_by_time():
    ids = [(W1, W2)[n % 2].call_id() for n in range(6)]
    assert [each[:15] for each in sorted(ids)] == [each[:15] for each in ids]


def test_pages_of_live_calls_become_one_page():
    def page(*ids: str, following: str | None = None) -> dict:
        return {"calls": [{"id": each} for each in ids], "next": following}

    assert merged_calls([page("c", "a"), page("d", "b")], 3) == page("d", "c", "b", following="b")
    assert merged_calls([page("c"), page()], 3) == page("c")
    assert merged_calls([page("c", following="c"), page("d")], 3) == page("d", "c", following="c")
    assert merged_calls([], 3) == page()


def test_the_hosts_of_a_machine_are_added_up():
    node = {"name": "w1", "ready": True, "started_at": "2", "calls": 3, "limit": 8, "draining": True, "engines": {}}
    whole = summed_nodes([node, {**node, "started_at": "1", "draining": False, "ready": False}])
    assert whole == {**node, "name": "", "started_at": "1", "calls": 6, "limit": 16, "draining": False}


def test_an_event_that_comes_from_the_records_and_as_it_happens_is_sent_once():
    ids = _Ids()
    frame = b"id: evt_1\nevent: call.ended\ndata: {}"
    assert [ids.is_new(each) for each in (frame, frame, b"id: evt_2\ndata: {}", frame)] == [True, False, True, False]
    assert ids.is_new(b"event: node.draining\ndata: {}"), "what is on no record has no id"
    assert ids.last == b"evt_2"


def mail() -> CarrierMail:
    twilio = Twilio(account_sid="AC1", auth_token="secret", from_number="+15550100000")
    return CarrierMail(Settings(server=Server(public_url="https://voice.example.org"), twilio=twilio))


def test_a_carrier_that_repeats_itself_reaches_the_host_that_has_the_call():
    box = mail()
    asked = box.addressee("/voice/webhook", "/voice/webhook", {}, b"CallSid=CA1&From=%2B15550100001")
    assert asked == Addressee("place", "", "CA1")
    box.went("CA1", "w2")
    for hook in ("webhook", "again", "status"):
        told = box.addressee(f"/voice/{hook}", f"/voice/{hook}", {}, b"CallSid=CA1&CallStatus=completed")
        assert (told.to, told.host) == ("host", "w2")


def test_a_callback_that_names_our_call_goes_to_its_host():
    query = {"call": CALL}
    told = mail().addressee("/voice/status", f"/voice/status?call={CALL}", query, b"CallSid=CA2&CallStatus=ringing")
    assert told == Addressee("host", "w1")


@pytest.mark.parametrize("path", ["/voice/plivo/webhook", "/voice/nothing", "/voice/x/y/z", "/voice/"])
def test_what_no_carrier_here_reads_goes_to_any_host(path):
    assert mail().addressee(path, path, {}, b"\xff\xfe=&&") == Addressee("any")
