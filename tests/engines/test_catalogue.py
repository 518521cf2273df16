"""The catalogue: which engine new calls get, while engines come, go and come back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from openclaw_actors.engines.catalogue import Catalogue, build_catalogue
from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.engines.recipes import RECIPES
from openclaw_actors.errors import (
    BrokenEngineError,
    RefusedEngineError,
    SettingsError,
    SlowEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Agent, Settings, Stt, Tts


class Ear:
    """An engine that is opened when ``ready`` is set, unless ``trouble`` says otherwise."""

    partial_every_s = 0.0

    def __init__(self, name, *, ready=True, trouble=None):
        self.name = name
        self.trouble = trouble
        self.ready = asyncio.Event()
        if ready:
            self.ready.set()
        self.opened = 0
        self.closed = 0

    async def open(self):
        self.opened += 1
        await self.ready.wait()
        if self.trouble is not None:
            raise self.trouble

    async def transcribe(self, pcm, *, language="", final=True):
        return Transcript(self.name, language)

    async def aclose(self):
        self.closed += 1


class Fetcher(Ear):
    """One that first has to download."""

    progress = None


@pytest.fixture
def catalogue(closing):
    def make(*engines, probe_every_s=(0.01, 0.02), **more):
        return closing(Catalogue({"stt": engines}, probe_every_s=probe_every_s, **more))

    return make


async def until(catalogue, true):
    """Wait for a change of the catalogue after which ``true()`` holds."""
    changed = asyncio.Event()
    unsubscribe = catalogue.subscribe(changed.set)
    async with asyncio.timeout(5):
        while not true():
            changed.clear()
            await changed.wait()
    unsubscribe()


def states(catalogue):
    return {engine["engine"]: engine["state"] for engine in catalogue.describe()["stt"]["engines"]}


async def test_the_first_engine_in_the_operators_order_serves(catalogue):
    best, rest = Ear("best"), Ear("rest")
    both = catalogue(best, rest)
    await both.start()
    await until(both, lambda: "probing" not in states(both).values())
    assert both.serving("stt") is best
    assert both.after("stt", "best") is rest


async def test_a_better_engine_that_opens_slowly_keeps_no_call_waiting_and_takes_over_by_itself(catalogue):
    slow, embedded = Ear("slow", ready=False), Ear("embedded")
    both = catalogue(slow, embedded)
    async with asyncio.timeout(5):
        await both.start()
    assert both.serving("stt") is embedded
    assert states(both) == {"slow": "probing", "embedded": "serving"}
    slow.ready.set()
    await until(both, lambda: both.serving("stt") is slow)


async def test_an_engine_that_cannot_serve_says_why_and_is_tried_again(catalogue):
    down = Ear("down", trouble=UnavailableEngineError("no Gateway at 127.0.0.1:18789; start it"))
    both = catalogue(down, Ear("up"))
    await both.start()
    await until(both, lambda: states(both)["down"] == "unavailable")
    described = both.describe()["stt"]
    assert described["serving"] == "up"
    assert described["engines"][0]["reason"] == "no Gateway at 127.0.0.1:18789; start it"
    down.trouble = None
    await until(both, lambda: both.serving("stt") is down)
    assert both.describe()["stt"]["engines"][0]["reason"] == ""
    assert down.opened >= 2


async def test_an_engine_with_a_bug_costs_itself_alone(catalogue):
    both = catalogue(Ear("buggy", trouble=ZeroDivisionError("division by zero")), Ear("up"))
    await both.start()
    await until(both, lambda: states(both)["buggy"] == "unavailable")
    assert both.describe()["stt"]["engines"][0]["reason"] == "ZeroDivisionError: division by zero"
    assert both.serving("stt").name == "up"


async def test_starting_ends_when_nothing_serves_and_then_all_reasons_are_named(catalogue):
    both = catalogue(
        Ear("a", trouble=UnavailableEngineError("no model")),
        Ear("b", trouble=RefusedEngineError("bad key")),
        probe_every_s=(60,),
    )
    async with asyncio.timeout(5):
        await both.start()
    with pytest.raises(UnavailableEngineError, match="a: no model; b: bad key"):
        both.serving("stt")
    assert both.describe()["stt"]["serving"] is None


async def test_starting_does_not_wait_for_ever_for_an_engine_that_does_not_answer(catalogue):
    silent = catalogue(Ear("silent", ready=False), patience_s=0.05)
    async with asyncio.timeout(5):
        await silent.start()
    with pytest.raises(UnavailableEngineError, match="silent: probing"):
        silent.serving("stt")


async def test_an_engine_that_opens_without_end_is_given_up_and_tried_again(catalogue):
    hung = Ear("hung", ready=False)
    one = catalogue(hung, open_s=0.05)
    await one.start()
    assert one.describe()["stt"]["engines"][0]["reason"] == "it was not ready after 0.05 s"
    hung.ready.set()
    await until(one, lambda: states(one)["hung"] == "serving")


async def test_a_download_shows_its_progress_and_may_take_longer_than_any_other_opening(catalogue):
    fetching = Fetcher("fetching", ready=False)
    both = catalogue(fetching, Ear("embedded"), open_s=0.5)
    fetching.progress = 0.0
    await both.start()
    assert states(both)["fetching"] == "downloading"
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - began < 0.7:
        fetching.progress += 0.01
        await asyncio.sleep(0.02)  # the download's own pace
    described = both.describe()["stt"]["engines"][0]
    assert (described["state"], described["progress"]) == ("downloading", round(fetching.progress, 3))
    fetching.progress = None
    await asyncio.sleep(0.4)  # it loads what has come, across the end of the second 0.5 s
    fetching.ready.set()
    await until(both, lambda: both.serving("stt") is fetching)
    assert fetching.opened == 1


async def test_a_download_that_stalls_is_given_up(catalogue):
    stalled = Fetcher("stalled", ready=False)
    stalled.progress = 0.4
    both = catalogue(stalled, Ear("embedded"), open_s=0.05, probe_every_s=(60,))
    await both.start()
    await until(both, lambda: "not ready" in both.describe()["stt"]["engines"][0]["reason"])


@pytest.mark.parametrize("error", [RefusedEngineError("quota exceeded"), UnavailableEngineError("model unloaded")])
async def test_an_engine_that_refuses_its_work_gets_no_new_calls_until_a_probe_succeeds(catalogue, error):
    first, second = Ear("first"), Ear("second")
    both = catalogue(first, second)
    await both.start()
    await until(both, lambda: set(states(both).values()) == {"serving"})
    first.ready.clear()
    both.report_failure("stt", "first", error)
    assert both.serving("stt") is second
    assert both.describe()["stt"]["engines"][0]["reason"] == str(error)
    first.ready.set()
    await until(both, lambda: both.serving("stt") is first)
    assert first.opened == 2


@pytest.mark.parametrize("error", [TransientEngineError("503"), BrokenEngineError("segfault"), ValueError("a bug")])
async def test_other_failures_say_nothing_of_the_next_call(catalogue, error):
    one = catalogue(Ear("one"))
    await one.start()
    one.report_failure("stt", "one", error)
    assert one.serving("stt").name == "one"


async def test_an_engine_that_opens_well_but_keeps_refusing_is_asked_less_and_less(catalogue):
    one = catalogue(Ear("quota"), probe_every_s=(0.01, 60))
    await one.start()
    one.report_failure("stt", "quota", RefusedEngineError("quota"))
    await until(one, lambda: states(one)["quota"] == "serving")
    one.report_failure("stt", "quota", RefusedEngineError("quota"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await until(one, lambda: states(one)["quota"] == "serving")


async def test_the_next_engine_is_one_that_serves_and_there_is_none_after_the_last(catalogue):
    three = catalogue(Ear("a"), Ear("b", trouble=UnavailableEngineError("down")), Ear("c"), probe_every_s=(60,))
    await three.start()
    await until(three, lambda: "probing" not in states(three).values())
    assert three.after("stt", "a").name == "c"
    assert three.after("stt", "c") is None
    assert three.after("stt", "unknown") is None
    assert three.after("nothing", "a") is None


async def test_subscribers_hear_of_each_change_until_they_leave_and_cannot_harm(catalogue):
    heard = []
    slow = Ear("slow", ready=False)
    both = catalogue(slow, Ear("embedded"))

    def broken():
        raise ValueError("a subscriber's bug")

    both.subscribe(broken)
    unsubscribe = both.subscribe(lambda: heard.append(states(both)))
    await both.start()
    slow.ready.set()
    await until(both, lambda: both.serving("stt") is slow)
    assert heard == [{"slow": "probing", "embedded": "serving"}, {"slow": "serving", "embedded": "serving"}]
    unsubscribe()
    both.report_failure("stt", "slow", RefusedEngineError("no"))
    assert len(heard) == 2


async def test_closing_stops_the_probes_and_closes_every_engine_even_beside_one_that_fails_to(catalogue):
    class Stuck(Ear):
        async def aclose(self):
            raise OSError("stuck")

    hung, up = Ear("hung", ready=False), Ear("up")
    three = catalogue(hung, up, Stuck("stuck"))
    await three.start()
    before = asyncio.all_tasks()
    await three.aclose()
    await three.aclose()
    assert (hung.closed, up.closed) == (2, 2)
    assert len(asyncio.all_tasks()) < len(before)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_its_description_is_json(catalogue):
    one = catalogue(Ear("one"))
    await one.start()
    assert json.loads(json.dumps(one.describe()))["stt"] == {
        "serving": "one",
        "engines": [{"engine": "one", "state": "serving", "reason": "", "progress": None}],
    }


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("stt", Settings(stt=Stt(engines=("pocketsfinx",)))),
        ("agent", Settings(agent=Agent(engines=("pocketsfinx",)))),
        ("tts", Settings(tts=Tts(engines=("pocketsfinx",)))),
    ],
)
def test_an_unknown_engine_is_an_error_that_names_those_that_are_known(kind, settings):
    with pytest.raises(SettingsError) as caught:
        build_catalogue(settings)
    assert caught.value.key == f"{kind}.engines"
    assert "pocketsfinx" in caught.value.remedy
    assert all(name in caught.value.remedy for name in RECIPES[kind])


async def test_every_known_engine_can_be_made_and_carries_its_id():
    settings = Settings(
        stt=Stt(engines=tuple(RECIPES["stt"])),
        agent=Agent(engines=tuple(RECIPES["agent"])),
        tts=Tts(engines=tuple(RECIPES["tts"])),
    )
    catalogue = build_catalogue(settings)
    for kind, stage in catalogue.describe().items():
        assert [engine["engine"] for engine in stage["engines"]] == list(RECIPES[kind])
    await catalogue.aclose()


def test_making_the_engines_loads_no_native_speech_library_into_the_host():
    program = (
        "import sys; from openclaw_actors.engines.catalogue import build_catalogue;"
        "from openclaw_actors.settings.sections import Settings; import asyncio\n"
        "async def main(): build_catalogue(Settings())\n"
        "asyncio.run(main())\n"
        "print([m for m in ('faster_whisper', 'ctranslate2', 'pocketsphinx', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


async def test_two_calls_that_give_an_engine_up_take_it_out_for_new_calls(catalogue):
    best, rest = Ear("best"), Ear("rest")
    both = catalogue(best, rest, probe_every_s=(60,))
    await both.start()
    await until(both, lambda: "probing" not in states(both).values())
    both.report_failure("stt", "best", SlowEngineError("no answer"))
    assert both.serving("stt") is best
    both.report_failure("stt", "best", SlowEngineError("no answer"))
    assert both.serving("stt") is rest
    assert both.describe()["stt"]["engines"][0]["reason"] == "no answer"


async def test_the_last_engine_serves_however_often_it_is_given_up(catalogue):
    only = Ear("only")
    one = catalogue(only)
    await one.start()
    for _ in range(3):
        one.report_failure("stt", "only", SlowEngineError("no answer"))
    assert one.serving("stt") is only


def series(name, **labels):
    return metrics.REGISTRY.get_sample_value(f"openclaw_actors_{name}", labels)


async def test_which_engine_serves_is_a_metric_and_its_series_are_there_before_anything_happens(catalogue):
    bad = Ear("metered-second", trouble=UnavailableEngineError("no model"))
    made = catalogue(Ear("metered-first"), bad)
    assert series("engine_serving", stage="stt", engine="metered-first") == 0
    for kind in ("transient", "broken", "refused", "slow", "unavailable"):
        assert series("engine_errors_total", stage="stt", engine="metered-first", kind=kind) == 0
    pair = {"from_engine": "metered-first", "to_engine": "metered-second"}
    assert series("engine_switches_total", stage="stt", **pair) == 0
    await made.start()
    await until(made, lambda: "probing" not in states(made).values())
    assert series("engine_serving", stage="stt", engine="metered-first") == 1
    assert series("engine_serving", stage="stt", engine="metered-second") == 0
    made.report_failure("stt", "metered-first", RefusedEngineError("a bad key"))
    assert series("engine_serving", stage="stt", engine="metered-first") == 0
