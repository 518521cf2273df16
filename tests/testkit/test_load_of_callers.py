"""Many callers at once: what they measure is what a host of known delays does, and a late caller voids the run."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.load import Load, LoadPlan, Sample, Tally
from openclaw_actors.testkit.load_picture import picture
from openclaw_actors.testkit.load_report import LoadReport, Spread, percentile
from openclaw_actors.testkit.load_target import Meter, MetricsTarget, NoTargetError, ProcessTarget
from openclaw_actors.testkit.speakers import espeak, tone
from tests.testkit.clockwork_host import ClockworkHost

SLACK_S = 0.15
PLAN = LoadPlan(tone(0.4), None, calls=2, turns=2)


async def loaded(url: str, plan: LoadPlan, meter: Meter) -> tuple[LoadReport, Tally]:
    callers = [Caller(url, keep_audio=False) for _ in range(plan.calls)]
    tally = await Load(plan, callers, meter=meter).run()
    return LoadReport.of(plan, tally, callers, meter), tally


async def test_the_callers_measure_what_the_host_does():
    async with ClockworkHost(answer_s=0.4) as host:
        import os

        report, tally = await loaded(host.url, PLAN, Meter(ProcessTarget(os.getpid())))
    assert (report.turn.count, report.setup.count, report.barge_in.count) == (4, 2, 0)
    assert 380 <= report.turn.p50 <= 400 + 1000 * SLACK_S
    assert report.whole
    assert report.cpu_percent > 0
    assert report.rss_mb > 10
    assert json.loads(json.dumps(report.as_dict()))["turn_ms"]["count"] == 4
    drawn = ET.fromstring(picture(report, tally))
    assert len(drawn.findall(".//{*}circle")) == 4


async def test_a_reply_is_spoken_over_and_how_soon_it_stops_is_measured():
    plan = replace(PLAN, objection=tone(0.8), calls=1, turns=1, listen_s=0.3, quiet_s=0.4)
    async with ClockworkHost(answer_s=0.1, hush_s=0.2) as host:
        report, _ = await loaded(host.url, plan, Meter(MetricsTarget(host.url)))
    assert report.barge_in.count == 1
    assert 150 <= report.barge_in.p50 <= 200 + 1000 * SLACK_S
    assert report.as_dict()["cpu_percent"] is None  # that host has no metrics


async def test_callers_of_a_ramp_come_one_by_one_and_what_they_measure_meanwhile_does_not_count():
    plan = replace(PLAN, ramp_s=3.0, turns=1)
    async with ClockworkHost(answer_s=0.1) as host:
        report, tally = await loaded(host.url, plan, Meter(MetricsTarget(host.url)))
    first, second = sorted(sample.at for sample in tally.setups)
    assert second - first >= 1.4
    assert report.turn.count == 2
    assert len(tally.turns) > 2


async def test_a_host_that_is_not_there_refuses_every_call():
    report, tally = await loaded("http://127.0.0.1:9", PLAN, Meter(MetricsTarget("http://127.0.0.1:9")))
    assert len(report.refused) == 2
    assert not report.whole
    assert ET.fromstring(picture(report, tally)) is not None


def report_of(lag_ms: float) -> LoadReport:
    spread = Spread.of([Sample(1.0, 0.4), Sample(2.0, 0.5), Sample(0.5, 9.0, counts=False)])
    return LoadReport(1, (), 0, 0, 0, spread, spread, spread, 20, 100, 0, lag_ms, None, None)


def test_callers_who_are_late_themselves_void_the_run():
    assert not report_of(9.9).void
    assert report_of(10.1).void
    assert "VOID" in picture(report_of(10.1), Tally())


def test_what_was_measured_during_the_ramp_does_not_count():
    assert report_of(0).turn.worst == 500


def test_percentiles_of_nothing_one_and_many():
    assert percentile([], 50) != percentile([], 50)
    assert percentile([3.0], 95) == 3
    assert percentile(list(range(101)), 95) == 95


async def test_a_process_that_is_not_there_has_no_figures():
    with pytest.raises(NoTargetError, match="--pid 4194305"):
        await ProcessTarget(4_194_305).usage()


async def test_the_built_in_question_is_speech():
    speech = await espeak("What is the weather like in Paris today?")
    assert 1.0 < speech.seconds < 4.0
    assert speech.voiced_end_sample == len(speech.pcm) // 2


async def test_the_command_prints_json_draws_and_tells_by_its_status(tmp_path):
    import asyncio

    async def loadtest(*arguments: str) -> tuple[int, str, str]:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "openclaw_actors", "loadtest", *arguments)
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        out, err = await asyncio.wait_for(process.communicate(), 90)
        return process.returncode, out.decode(), err.decode()

    drawing = tmp_path / "load.svg"
    async with ClockworkHost(answer_s=0.2) as host:
        run = ("--url", host.url, "--calls", "2", "--turns", "1", "--no-barge-in")
        status, out, err = await loadtest(*run, "--json", "--picture", str(drawing))
    result = json.loads(out)
    assert result["turn_ms"]["count"] == 2, err
    assert status == (3 if result["void"] else 0), err
    assert ("VOID" in err) == result["void"]
    assert ET.fromstring(drawing.read_text()).tag.endswith("svg")
    status, out, err = await loadtest("--url", "http://127.0.0.1:9", "--calls", "1", "--turns", "1")
    assert status == 1
    assert "1 refused" in out
