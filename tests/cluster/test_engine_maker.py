"""Which engines a host shares, what their actors are told, and which of them it asks."""

from __future__ import annotations

from collections import Counter

import pytest

from openclaw_actors.cluster.engine_maker import MOST_ACTORS, label_of, numbers_for, settings_for, shared_engines
from openclaw_actors.cluster.engine_shared import SharedStt, SharedTts
from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine
from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.load import load_settings
from openclaw_actors.settings.sections import Cluster, FasterWhisper, Settings, Stt, Webhooks

CLUSTER = Cluster(engine="ray", engines=2)


def test_the_engines_that_are_named_are_the_cluster_s_and_the_others_the_host_s_own():
    settings = Settings(cluster=CLUSTER)
    make = shared_engines(settings, "host")
    assert isinstance(make("stt", "faster-whisper", settings), SharedStt)
    assert isinstance(make("tts", "piper", settings), SharedTts)
    assert isinstance(make("stt", "pocketsphinx", settings), PocketSphinxEngine)


def test_without_actors_all_engines_are_the_host_s_own():
    settings = Settings(cluster=Cluster(engine="ray"))
    assert not isinstance(shared_engines(settings, "host")("stt", "faster-whisper", settings), SharedStt)


def test_an_engine_that_does_not_exist_can_t_be_shared():
    settings = Settings(cluster=Cluster(engine="ray", engines=1, shared=("faster-wisper",)))
    with pytest.raises(SettingsError, match=r"cluster\.shared: there is no engine 'faster-wisper'; known are .*piper"):
        shared_engines(settings, "host")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engines = 1", 'cluster.engines: engines are shared by the hosts of a cluster: set cluster.engine = "ray"'),
        ('engine = "ray"\nengines = 1\nshared = []', "cluster.shared: it must name at least one engine"),
        ('engine = "ray"\nengines = -1', "cluster.engines"),
        ('engine = "ray"\nengine_gpus = 1.5', "cluster.engine_gpus: above 1 it must be a whole number"),
        ('engine = "ray"\nengine_gpus = -1', "cluster.engine_gpus"),
        ('engine = "ray"\nengine_cpus = "many"', "cluster.engine_cpus"),
        ('engine = "ray"\nengine_gpu = 1', "cluster.engine_gpu"),
    ],
)
def test_what_can_t_be_meant_is_refused_by_its_name(text, said, tmp_path):
    path = tmp_path / "host.toml"
    path.write_text(f"[cluster]\n{text}\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(path, {})
    assert said in str(refused.value)


def test_an_actor_is_told_of_its_engine_and_of_nothing_else():
    secret = "whsec_" + "A" * 32
    settings = Settings.model_validate(
        {
            "stt": {"faster_whisper": {"model": "base"}, "openai": {"api_key": "key", "base_url": "http://a/v1"}},
            "twilio": {"auth_token": "token"},
            "webhooks": Webhooks(secret=secret),
        }
    )
    own = settings_for("stt", "faster-whisper", settings)
    assert own.stt.engines == ("faster-whisper",)
    assert own.stt.faster_whisper.model == "base"
    assert own.stt.openai == Stt().openai
    assert (own.twilio, own.webhooks) == (Settings().twilio, Settings().webhooks)


def test_hosts_with_other_settings_have_other_actors():
    def label(**more):
        stt = Stt(faster_whisper=FasterWhisper(**more))
        return label_of("stt", "faster-whisper", settings_for("stt", "faster-whisper", Settings(stt=stt)))

    assert label(model="base") == label(model="base")
    assert label(model="base") != label(model="small")


def test_few_actors_are_known_to_all_hosts():
    assert numbers_for("host", "whisper", 3) == (0, 1, 2)


def test_of_many_actors_each_host_asks_some_and_each_actor_is_asked_by_as_many():
    asked = Counter(number for host in range(300) for number in numbers_for(f"host{host}", "whisper", 40))
    assert set(asked) == set(range(40))
    assert all(len(numbers_for(f"host{host}", "whisper", 40)) == MOST_ACTORS for host in range(300))
    assert max(asked.values()) < 2 * 300 * MOST_ACTORS / 40
