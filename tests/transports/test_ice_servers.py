"""What a client and aiortc are told of STUN and TURN."""

from __future__ import annotations

from pydantic import SecretStr

from openclaw_actors.settings.sections import IceServer, WebRtc
from openclaw_actors.transports.webrtc.ice_servers import configuration, ice_servers_for_client, turn_credential

STUN = IceServer(urls=("stun:stun.example.org",))
TURN = IceServer(urls=("turn:turn.example.org?transport=udp", "turns:turn.example.org"))


def test_a_turn_credential_is_what_coturn_computes():
    assert turn_credential("secret", "1700000000:call_01") == "x3NxFA3TAq2uQ2umWFtv0imCCmE="


def test_turn_servers_get_credentials_of_an_hour_and_stun_servers_none():
    settings = WebRtc(ice_servers=(STUN, TURN), turn_secret=SecretStr("secret"))
    stun, turn = ice_servers_for_client(settings, now=1_700_000_000 - 3600.5, identity="call_01")
    assert stun == {"urls": ["stun:stun.example.org"]}
    assert turn["username"] == "1699999999:call_01"
    assert turn["credential"] == turn_credential("secret", "1699999999:call_01")


def test_each_client_gets_credentials_of_its_own():
    settings = WebRtc(ice_servers=(TURN,), turn_secret=SecretStr("secret"))
    names = {ice_servers_for_client(settings)[0]["username"] for _ in range(5)}
    assert len(names) == 5


def test_a_servers_own_credentials_are_passed_on():
    server = IceServer(urls=("turn:turn.example.org",), username="u", credential=SecretStr("p"))
    assert ice_servers_for_client(WebRtc(ice_servers=(server,))) == [
        {"urls": ["turn:turn.example.org"], "username": "u", "credential": "p"}
    ]


def test_with_no_server_configured_none_is_asked():
    assert configuration(WebRtc()).iceServers == [], "None would make aiortc ask Google's"
