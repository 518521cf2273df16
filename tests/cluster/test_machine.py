"""What each of a machine's hosts is told: a share of the machine's ports, and the same secret."""

from __future__ import annotations

import pytest

from openclaw_actors.cluster.ray_runtime import Runtime
from openclaw_actors.cluster.serve import host_names, settings_of_host, with_secret
from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Auth, Cluster, Server, Settings, WebRtc


def settings(first: int, last: int, workers: int) -> Settings:
    return Settings(
        server=Server(host="0.0.0.0", port=8080, public_url="https://voice.example.org"),
        auth=Auth(tokens=("t",)),
        webrtc=WebRtc(udp_port_range=(first, last)),
        cluster=Cluster(workers=workers),
    )


def test_hosts_share_the_udp_ports_without_overlap():
    shares = [settings_of_host(settings(10_000, 10_099, 3), index, "127.0.0.1") for index in range(3)]
    assert [each.webrtc.udp_port_range for each in shares] == [(10_000, 10_032), (10_033, 10_065), (10_066, 10_098)]
    assert {(each.server.host, each.server.port) for each in shares} == {("127.0.0.1", 0)}
    assert {each.server.public_url for each in shares} == {"https://voice.example.org"}


def test_without_a_range_any_port_will_do():
    assert settings_of_host(settings(0, 0, 3), 2, "10.0.0.7").webrtc.udp_port_range == (0, 0)


def test_fewer_ports_than_hosts_are_refused():
    with pytest.raises(SettingsError, match="fewer ports than hosts"):
        settings_of_host(settings(10_000, 10_001, 3), 0, "127.0.0.1")


def test_one_machine_throws_a_secret_for_all_its_hosts_and_keeps_one_that_is_set():
    thrown = with_secret(settings(0, 0, 2)).auth.join_secret.get_secret_value()
    assert len(thrown) == 64
    assert with_secret(settings(0, 0, 2)).auth.join_secret.get_secret_value() != thrown
    mine = Settings(auth=Auth(join_secret="m" * 32))
    assert with_secret(mine) is mine


def test_hosts_have_the_same_names_whenever_their_machine_serves():
    assert host_names(Runtime(None, "abcdef0123456789", "127.0.0.1", is_own=True), 2) == ["w1", "w2"]
    assert host_names(Runtime(None, "abcdef0123456789", "10.0.0.7", is_own=False), 1) == ["abcdef01w1"]


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"ENGINE": "none"}, "cluster.engine"),
        ({"ENGINE": "ray"}, "store.url"),
        ({"ENGINE": "ray"}, "auth.join_secret"),
    ],
)
def test_several_machines_need_ray_and_shared_records_and_one_secret(variables, key):
    prefix = "OPENCLAW_ACTORS_CLUSTER__"
    environ = {f"{prefix}ADDRESS": "10.0.0.1:6379", **{prefix + name: value for name, value in variables.items()}}
    with pytest.raises(SettingsError) as error:
        load_settings(None, environ)
    assert key in {error.value.key, *(each.key for each in error.value.also)}
